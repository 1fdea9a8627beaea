package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ezdfs/bulk"
)

// newSite makes a site with one mount, SQLite and the given files in it, and
// returns its root.
func newSite(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"settings/file.ini": "[eZDFSClusteringSettings]\nMountPointPath=mnt\nDBBackend=SQLite\nDBName=cluster.db\n",
		"mnt/.keep":         "",
	} {
		writeFile(t, filepath.Join(root, name), text)
	}
	dfsctl(t, root, exitDone, "schema", "create")
	for _, file := range files {
		writeFile(t, filepath.Join(root, file), "hello")
	}
	return root
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// dfsctl runs a command in this process and returns what it printed.
func dfsctl(t *testing.T, root string, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), append([]string{"--root", root}, args...), strings.NewReader(""), &out, &errs, noEnv)
	if code != want {
		t.Fatalf("dfsctl %q: exit code %d, want %d\n%s%s", args, code, want, &out, &errs)
	}
	return out.String(), errs.String()
}

func noEnv(string) (string, bool) { return "", false }

// TestInterruptPurge presses Ctrl-C while a purge rests after its first batch.
func TestInterruptPurge(t *testing.T) {
	root := newSite(t, "var/a", "var/b")
	dfsctl(t, root, exitDone, "clusterize", "var")
	dfsctl(t, root, exitDone, "rm", "-r", "var")

	cmd := exec.Command("dfsctl", "--root", root, "purge", "--json", "--scopes", "all", "--expiry", "0",
		"--iteration-limit", "1", "--iteration-sleep", "3600")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	if line, err := lines.ReadString('\n'); err != nil {
		t.Errorf("nothing was purged: %q, %v", line, err)
	}
	cmd.Process.Signal(os.Interrupt)
	rest, err := io.ReadAll(lines)
	if err != nil || !strings.HasPrefix(string(rest), `{"summary":{"purged":1,`) {
		t.Errorf("at the end it printed %q, %v", rest, err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
		t.Errorf("it ended with %v, not exit code 1", err)
	}
	if want := "dfsctl: interrupted: purged 1 file so far; the same command goes on\n"; stderr.String() != want {
		t.Errorf("it said %q, not %q", stderr.String(), want)
	}
	stdoutAfter, _ := dfsctl(t, root, exitDone, "purge", "--scopes", "all", "--expiry", "0")
	if want := "purged 1 file, 5 bytes\n"; stdoutAfter != want {
		t.Errorf("the same command then said %q, not %q", stdoutAfter, want)
	}
}

// TestSecondSignalKills: the first Ctrl-C asks a command to stop, the second
// ends it even where it does not listen: writing to a pipe that nobody reads.
func TestSecondSignalKills(t *testing.T) {
	root := newSite(t)
	body := filepath.Join(t.TempDir(), "body")
	writeFile(t, body, strings.Repeat("x", 1<<20))
	dfsctl(t, root, exitDone, "put", body, "var/body")

	cmd := exec.Command("dfsctl", "--root", root, "cat", "var/body")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var exit *exec.ExitError
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for err := error(nil); err == nil; {
		select {
		case err = <-ended:
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
				t.Errorf("it ended with %v, not by a signal", err)
			}
		case <-again.C:
			cmd.Process.Signal(syscall.SIGTERM)
		}
	}
}

// TestInterruptPut: a body that is being typed does not keep put from ending,
// and nothing is stored of it.
func TestInterruptPut(t *testing.T) {
	root := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	typed, typing := io.Pipe()
	defer typing.Close()
	go func() {
		typing.Write([]byte("half a bo"))
		cancel()
	}()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"--root", root, "put", "-", "var/typed"}, typed, &stdout, &stderr, noEnv)
	if code != exitFailed || stderr.String() != "dfsctl: interrupted\n" {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
	dfsctl(t, root, exitNotExist, "stat", "var/typed")
}

// TestInterruptClusterize: what is not done yet is left to the next run.
func TestInterruptClusterize(t *testing.T) {
	root := newSite(t, "var/a", "var/b")
	ctx, cancel := context.WithCancel(t.Context())
	r := &bulkRun{a: &app{stdout: bufio.NewWriter(io.Discard), stderr: io.Discard}, verb: "stored", progress: new(bulk.Progress)}
	err := r.run(ctx, func(context.Context) error { cancel(); return context.Canceled })
	if want := "interrupted: stored 0 files so far; the same command goes on"; err == nil || err.Error() != want {
		t.Errorf("it said %v, not %q", err, want)
	}
	stdout, _ := dfsctl(t, root, exitDone, "clusterize", "var")
	if !strings.HasPrefix(stdout, "stored 2 files") {
		t.Errorf("the next run said %q", stdout)
	}
}

// TestInterruptBench presses Ctrl-C while a bench goes on: it tells what it
// measured, and its files go.
func TestInterruptBench(t *testing.T) {
	root := newSite(t, "var/other")
	dfsctl(t, root, exitDone, "clusterize", "var/other")
	cmd := exec.Command("dfsctl", "--root", root, "bench", "--duration", "1h", "--warm-up", "0s",
		"--files", "10", "--workers", "2", "--sizes", "1KB", "--mix", "write=1", "--prefix", "var/bench")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Once files are stored anew, the measuring has begun.
	for first := map[string]os.FileInfo{}; ; time.Sleep(time.Millisecond) {
		bodies, _ := filepath.Glob(filepath.Join(root, "mnt/var/bench/0/*.bin"))
		anew := false
		for _, body := range bodies {
			info, err := os.Stat(body)
			if err == nil && first[body] == nil {
				first[body] = info
			}
			anew = anew || err == nil && !os.SameFile(first[body], info)
		}
		if anew && len(first) == 10 {
			break
		}
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Process.Signal(os.Interrupt)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
		t.Errorf("ended with %v", err)
	}
	if !strings.Contains(stderr.String(), "dfsctl: interrupted: 10 files removed\n") || !strings.Contains(stdout.String(), "\nOK: ") {
		t.Errorf("stdout %q, stderr %q", &stdout, &stderr)
	}
	if out, _ := dfsctl(t, root, exitDone, "ls"); out != "var/other\n" {
		t.Errorf("left: %q", out)
	}
	if bodies, _ := filepath.Glob(filepath.Join(root, "mnt/var/bench/0/*")); len(bodies) > 0 {
		t.Errorf("bodies are left: %q", bodies)
	}
}

// TestKillImport kills an import of bodies while it goes on; the same command
// makes the rest of the rows.
func TestKillImport(t *testing.T) {
	const files = 1000
	root := newSite(t)
	for i := range files {
		writeFile(t, filepath.Join(root, fmt.Sprintf("mnt/var/%d/%d.txt", i/100, i)), "body")
	}
	cmd := exec.Command("dfsctl", "--root", root, "import", "tree", "nfs", "var/", "--workers", "1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	made := func() int {
		out, _ := dfsctl(t, root, exitDone, "ls")
		return strings.Count(out, "\n")
	}
	for made() == 0 {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	before := made()
	out, _ := dfsctl(t, root, exitDone, "import", "tree", "nfs", "var/")
	if want := fmt.Sprintf("imported %d files, %d bytes; ", files-before, 4*(files-before)); !strings.HasPrefix(out, want) {
		t.Errorf("printed %q, want %q", out, want)
	}
	if after := made(); after != files {
		t.Errorf("%d rows after %d", after, before)
	}
	t.Logf("killed after %d of %d rows", before, files)
}
