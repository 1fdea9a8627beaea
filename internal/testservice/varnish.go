package testservice

import (
	"fmt"
	"os/exec"
	"testing"
)

// Varnish is a running Varnish.
type Varnish struct {
	*Process
	tb  testing.TB
	dir string
}

// StartVarnish starts a Varnish with a VCL file and 64 MB in memory until the
// end of the test, and waits until it listens on the port.
func StartVarnish(tb testing.TB, vcl string, port int) *Varnish {
	tb.Helper()
	dir := tb.TempDir()
	cmd := exec.Command(Binary(tb, "varnishd"), "-F", "-j", "none", "-n", dir,
		"-a", fmt.Sprintf("127.0.0.1:%d", port), "-f", vcl, "-s", "malloc,64m",
		"-p", "thread_pool_min=10", "-p", "ban_lurker_age=0.1", "-p", "ban_lurker_sleep=0.01")
	return &Varnish{Start(tb, cmd, WaitPort(port)), tb, dir}
}

// Admin runs a command of the management interface and returns its answer.
func (v *Varnish) Admin(args ...string) string {
	v.tb.Helper()
	out, err := exec.Command(Binary(v.tb, "varnishadm"), append([]string{"-n", v.dir}, args...)...).CombinedOutput()
	if err != nil {
		v.tb.Fatalf("varnishadm %v: %v\n%s", args, err, out)
	}
	return string(out)
}
