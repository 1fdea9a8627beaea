package testservice

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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
func (m *Memcached) Pause(tb testing.TB) {
	tb.Helper()
	m.signal(tb, syscall.SIGSTOP)
	for deadline := time.Now().Add(time.Minute); !m.stopped(); {
		if time.Now().After(deadline) {
			tb.Fatal("memcached does not stop")
		}
		time.Sleep(time.Millisecond)
	}
}

// stopped reports whether no thread of the service runs any more, which the
// signal alone does not wait for. Elsewhere than on Linux it cannot be told.
func (m *Memcached) stopped() bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", m.run.cmd.Process.Pid))
	for _, stat := range stats {
		if data, err := os.ReadFile(stat); err == nil && !strings.Contains(string(data), ") T ") {
			return false
		}
	}
	return true
}

// Resume lets the service go on with what it held.
func (m *Memcached) Resume(tb testing.TB) { m.signal(tb, syscall.SIGCONT) }

func (m *Memcached) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := m.run.cmd.Process.Signal(sig); err != nil {
		tb.Fatalf("memcached: %v", err)
	}
}
