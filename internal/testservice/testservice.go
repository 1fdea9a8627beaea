// Package testservice starts the real services that tests run against, on
// private ports and temporary directories.
//
// Under `make test` and in CI the environment variable DFS_TEST_SERVICES is
// "required": a service that cannot start fails the test. Elsewhere such a
// test is skipped with one line that says what to install.
package testservice

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Required reports whether missing services are failures.
func Required() bool { return os.Getenv("DFS_TEST_SERVICES") == "required" }

// Missing ends the test because a service cannot be had: as a failure where
// services are required, as a skip elsewhere.
func Missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if Required() {
		tb.Fatalf(format, args...)
	}
	tb.Skipf(format+" (make test installs what is missing)", args...)
}

// Binary finds an executable in PATH, $(go env GOPATH)/bin or /usr/sbin, or
// ends the test by Missing.
func Binary(tb testing.TB, name string) string {
	tb.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	gopath := os.Getenv("GOPATH")
	if gopath == "" {
		gopath = os.Getenv("HOME") + "/go"
	}
	for _, path := range []string{gopath + "/bin/" + name, "/usr/sbin/" + name} {
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	Missing(tb, "%s is not installed", name)
	return ""
}

// Process is a running service.
type Process struct {
	cmd    *exec.Cmd
	output *bytes.Buffer
	done   chan struct{}
}

// Start runs a command that dies with this test process, and waits until
// ready returns nil. The process is killed at the end of the test.
func Start(tb testing.TB, cmd *exec.Cmd, ready func() error) *Process {
	tb.Helper()
	p := run(tb, cmd, ready)
	tb.Cleanup(p.Kill)
	return p
}

// patience is how long a service may take to start, on a machine with much else
// to do. One that ends is not waited for.
const patience = 3 * time.Minute

// run is Start for a process that outlives the test.
func run(tb testing.TB, cmd *exec.Cmd, ready func() error) *Process {
	tb.Helper()
	p := &Process{cmd: cmd, output: new(bytes.Buffer), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		Missing(tb, "start %s: %v", cmd.Path, err)
	}
	go func() {
		cmd.Wait()
		close(p.done)
	}()
	deadline := time.Now().Add(patience)
	for {
		err := ready()
		if err == nil {
			return p
		}
		select {
		case <-p.done:
			Missing(tb, "%s ended: %v\n%s", cmd.Path, err, p.output)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			p.Kill()
			Missing(tb, "%s is not ready after %v: %v\n%s", cmd.Path, patience, err, p.output)
		}
	}
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends the process a signal, such as SIGSTOP, which makes it hang
// until it gets SIGCONT.
func (p *Process) Signal(sig syscall.Signal) { p.cmd.Process.Signal(sig) }

// Kill ends the process with SIGKILL and waits for it.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

// Stop asks the process to end with SIGTERM and waits for it.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

func (p *Process) end(sig syscall.Signal) {
	select {
	case <-p.done:
	default:
		p.cmd.Process.Signal(sig)
		<-p.done
	}
}

// WaitPort returns a readiness check: something accepts connections on the
// port.
func WaitPort(port int) func() error {
	return func() error {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(port), time.Second)
		if err == nil {
			conn.Close()
		}
		return err
	}
}
