package testservice

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
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

// Counter returns a counter of varnishstat, such as MAIN.bans.
func (v *Varnish) Counter(name string) int {
	v.tb.Helper()
	out, err := exec.Command(Binary(v.tb, "varnishstat"), "-n", v.dir, "-1", "-f", name).CombinedOutput()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 {
		v.tb.Fatalf("varnishstat %s: %v\n%s", name, err, out)
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		v.tb.Fatal(err)
	}
	return n
}
