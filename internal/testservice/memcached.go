package testservice

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// Memcached is a running memcached, empty at first.
type Memcached struct {
	Addr string // host:port

	port int
	args []string
	run  *Process
}

// StartMemcached starts a memcached that ends with the test. Extra arguments
// are options of the command.
func StartMemcached(tb testing.TB, args ...string) *Memcached {
	tb.Helper()
	port := FreePort(tb)
	m := &Memcached{Addr: fmt.Sprintf("127.0.0.1:%d", port), port: port, args: args}
	m.Start(tb)
	return m
}

// Start starts the service again after Stop or Kill: at the same address, with
// nothing in it.
func (m *Memcached) Start(tb testing.TB) {
	tb.Helper()
	args := append([]string{"-l", "127.0.0.1", "-p", strconv.Itoa(m.port), "-U", "0", "-m", "64", "-t", "2", "-u", "nobody"}, m.args...)
	m.run = Start(tb, exec.Command(Binary(tb, "memcached"), args...), WaitPort(m.port))
}

// Stop ends the service, which loses what it holds.
func (m *Memcached) Stop() { m.run.Stop() }

// Kill ends the service at once.
func (m *Memcached) Kill() { m.run.Kill() }

// Pause stops the service without ending it: connections are accepted and
// nothing is answered until Resume.
func (m *Memcached) Pause(tb testing.TB) { m.signal(tb, syscall.SIGSTOP) }

// Resume lets the service go on with what it held.
func (m *Memcached) Resume(tb testing.TB) { m.signal(tb, syscall.SIGCONT) }

func (m *Memcached) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := m.run.cmd.Process.Signal(sig); err != nil {
		tb.Fatalf("memcached: %v", err)
	}
}
