package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// served is the dfsctl serve that a script started.
type served struct {
	cmd    *exec.Cmd
	stderr *bufio.Scanner
}

type servedKey struct{}

// TestServeScripts runs the scripts of serve.
func TestServeScripts(t *testing.T) {
	p := params("testdata/serve", func(env *testscript.Env) error {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		env.Defer(func() { taken.Close() })
		env.Setenv("TAKEN", taken.Addr().String())
		env.Values[servedKey{}] = &served{}
		return startS3(env)
	})
	p.Cmds["serving"] = cmdServing
	p.Cmds["stopping"] = cmdStopping
	p.Cmds["hangup"] = cmdHangup
	p.Cmds["http"] = cmdHTTP
	testscript.Run(t, p)
}

// cmdServing starts dfsctl serve and waits until it says where it serves, which
// PUBLIC and ADMIN tell from then on.
func cmdServing(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(servedKey{}).(*served)
	if neg || s.cmd != nil {
		ts.Fatalf("usage: serving [flags], once before stopping")
	}
	cmd := exec.Command("dfsctl", append([]string{"serve"}, args...)...)
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "TZ", "HOME", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() { cmd.Process.Kill() })
	s.cmd, s.stderr = cmd, bufio.NewScanner(stderr)
	for _, line := range []struct{ text, name string }{
		{"dfsctl: serving on ", "PUBLIC"}, {"dfsctl: health checks and metrics on ", "ADMIN"},
	} {
		if line.name == "ADMIN" && strings.Contains(strings.Join(args, " "), "--admin-listen none") {
			break
		}
		url, ok := strings.CutPrefix(s.line(ts), line.text)
		if !ok {
			ts.Fatalf("dfsctl serve says %q, not %q", s.stderr.Text(), line.text)
		}
		ts.Setenv(line.name, url)
	}
}

func (s *served) line(ts *testscript.TestScript) string {
	if !s.stderr.Scan() {
		ts.Fatalf("dfsctl serve ended: %v", s.cmd.Wait())
	}
	return s.stderr.Text()
}

// cmdStopping sends SIGTERM to dfsctl serve, which must end with exit code 0.
func cmdStopping(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(servedKey{}).(*served)
	ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
	for s.stderr.Scan() {
		ts.Logf("%s", s.stderr.Text())
	}
	ts.Check(s.cmd.Wait())
	s.cmd = nil
}

// cmdHangup sends SIGHUP to dfsctl serve and waits until it has reloaded.
func cmdHangup(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(servedKey{}).(*served)
	ts.Check(s.cmd.Process.Signal(syscall.SIGHUP))
	for s.line(ts) != "dfsctl: reloaded" {
		ts.Logf("%s", s.stderr.Text())
	}
}

// cmdHTTP sends a request and prints status, header and body: http GET URL.
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: http METHOD URL")
	}
	request, err := http.NewRequest(args[0], args[1], nil)
	ts.Check(err)
	request.Header.Set("User-Agent", "script")
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	ts.Check(err)
	defer response.Body.Close()
	fmt.Fprintln(ts.Stdout(), response.Status)
	for name, values := range response.Header {
		fmt.Fprintf(ts.Stdout(), "%s: %s\n", name, strings.Join(values, ", "))
	}
	fmt.Fprintln(ts.Stdout())
	_, err = io.Copy(ts.Stdout(), response.Body)
	ts.Check(err)
}

// TestServeDrains ends dfsctl serve while a download is under way.
func TestServeDrains(t *testing.T) {
	root := newSite(t)
	writeFile(t, filepath.Join(root, "big"), "")
	if err := os.Truncate(filepath.Join(root, "big"), 64<<20); err != nil {
		t.Fatal(err)
	}
	dfsctl(t, root, exitDone, "put", filepath.Join(root, "big"), "var/storage/big")
	cmd := exec.Command("dfsctl", "--root", root, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	lines.Scan()
	public := strings.TrimPrefix(lines.Text(), "dfsctl: serving on ")
	lines.Scan()
	admin := strings.TrimPrefix(lines.Text(), "dfsctl: health checks and metrics on ")
	response, err := http.Get(public + "/var/storage/big")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		ready, err := http.Get(admin + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(ready.Body)
		ready.Body.Close()
		if ready.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), "draining") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %s: %s", ready.Status, body)
		}
	}
	if n, err := io.Copy(io.Discard, response.Body); n != 64<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("dfsctl serve ended with %v", err)
	}
}
