package testservice

import (
	"os/exec"
	"testing"
)

// StartHAProxy starts an HAProxy with a configuration file until the end of
// the test, and waits until it listens on the port.
func StartHAProxy(tb testing.TB, config string, port int) *Process {
	tb.Helper()
	return Start(tb, exec.Command(Binary(tb, "haproxy"), "-db", "-f", config), WaitPort(port))
}
