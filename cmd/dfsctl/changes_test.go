package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// TestFollowChanges: each change is printed when it happens, Ctrl-C ends with
// exit code 0, and the next run goes on where this one was.
func TestFollowChanges(t *testing.T) {
	root := newSite(t, "var/a")
	file := filepath.Join(t.TempDir(), "checkpoint")
	put := func(path string) { dfsctl(t, root, exitDone, "put", filepath.Join(root, "var/a"), path) }
	put("var/before")

	f := startFollow(t, root, file)
	waitFor(t, func() bool { _, err := os.Stat(file); return err == nil }) // it has begun
	put("var/b")
	f.want(t, "store", "var/b")
	dfsctl(t, root, exitDone, "rm", "var/b")
	f.want(t, "expire", "var/b")
	f.interrupt(t)

	put("var/meanwhile")
	f = startFollow(t, root, file)
	f.want(t, "store", "var/meanwhile")
	f.interrupt(t)
	if stdout, _ := dfsctl(t, root, exitDone, "changes", "--checkpoint", file); stdout != "" {
		t.Errorf("printed twice: %q", stdout)
	}
}

// follower is a dfsctl that follows.
type follower struct {
	cmd    *exec.Cmd
	lines  *bufio.Reader
	stderr bytes.Buffer
}

func startFollow(t *testing.T, root, checkpoint string) *follower {
	t.Helper()
	f := &follower{cmd: exec.Command("dfsctl", "--root", root, "changes", "--follow", "--json", "--checkpoint", checkpoint)}
	f.cmd.Stderr = &f.stderr
	stdout, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	f.lines = bufio.NewReader(stdout)
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.cmd.Process.Kill() })
	return f
}

// want reads one line.
func (f *follower) want(t *testing.T, kind, subject string) {
	t.Helper()
	line, err := f.lines.ReadString('\n')
	if err != nil || !strings.Contains(line, `"kind":"`+kind+`","subject":"`+subject+`"`) {
		t.Fatalf("%q, %v is no %s of %s\n%s", line, err, kind, subject, &f.stderr)
	}
}

// interrupt presses Ctrl-C.
func (f *follower) interrupt(t *testing.T) {
	t.Helper()
	f.cmd.Process.Signal(os.Interrupt)
	if err := f.cmd.Wait(); err != nil || f.stderr.Len() > 0 {
		t.Errorf("it ended with %v and said %q", err, &f.stderr)
	}
}

// waitFor asks until something is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.After(time.Minute); !so(); {
		select {
		case <-again.C:
		case <-end:
			t.Fatal("it does not happen")
		}
	}
}

func TestConcerns(t *testing.T) {
	for _, c := range []struct {
		kind    metadata.Kind
		subject string
		want    bool
	}{
		{metadata.KindStore, "var/s/a/b", true},
		{metadata.KindStore, "var/s/b", false},
		{metadata.KindPurge, "", true}, // only the hash is known
		{metadata.KindExpirePrefix, "var/", true},
		{metadata.KindExpirePrefix, "var/s/a/b/c", true},
		{metadata.KindExpirePrefix, "var/s/b", false},
		{metadata.KindExpireTrunk, "var/s/a/2-", true},
		{metadata.KindExpireTrunk, "var/t/2-", false},
		{metadata.KindExpireWildcard, "var/*/b", true},
		{metadata.KindExpireWildcard, "var/s/{a,b}/c", true},
		{metadata.KindExpireWildcard, "log/?", false},
		{metadata.KindExpireScope, "image", true},
		{metadata.KindTruncate, "ezdfsfile_cache", true},
	} {
		if got := concerns(changes.Change{Kind: c.kind, Subject: c.subject, Hash: "0"}, "var/s/a"); got != c.want {
			t.Errorf("%s %q: %v", c.kind, c.subject, got)
		}
	}
}

// TestCheckpointIsTheLatest: positions that come while one is being written are
// passed over, but never the last.
func TestCheckpointIsTheLatest(t *testing.T) {
	c := checkpoint{name: filepath.Join(t.TempDir(), "checkpoint")}
	if p, err := c.read(); p != "" || err != nil {
		t.Errorf("before: %q, %v", p, err)
	}
	c.start()
	for _, p := range []changes.Position{"a:1", "a:2", "a:3"} {
		if err := c.save(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	if p, err := c.read(); p != "a:3" || err != nil {
		t.Errorf("after: %q, %v", p, err)
	}
	if files, _ := os.ReadDir(filepath.Dir(c.name)); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}
