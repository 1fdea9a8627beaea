package accesslog_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ezdfs/internal/accesslog"
)

// disk takes a number of bytes, and then nothing until it has room again.
type disk struct {
	mu   sync.Mutex
	room int
	got  bytes.Buffer
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(d.room, len(p))
	d.room -= n
	d.got.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left")
	}
	return n, nil
}

func (d *disk) setRoom(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = n
}

// numbered is an entry whose line tells a number.
func numbered(i int) *accesslog.Entry {
	e := entry()
	e.Request.RequestURI = fmt.Sprintf("/n/%d/%s", i, strings.Repeat("x", 900))
	return e
}

// numbers are those of the lines in a log, all of which must be whole.
func numbers(t *testing.T, log string) []int {
	t.Helper()
	var found []int
	for line := range strings.Lines(log) {
		var i int
		if _, err := fmt.Sscanf(line[strings.Index(line, "GET"):], "GET /n/%d/", &i); err != nil ||
			!strings.HasPrefix(line, "192.0.2.7 - - [") || !strings.HasSuffix(line, "\"Mozilla/5.0 (X11)\"\n") {
			t.Errorf("%q: %v", line, err)
		}
		found = append(found, i)
	}
	return found
}

// TestFullDisk: while there is no room the first lines wait and the others are
// lost, counted and told of once a minute; then lines are written again. The
// one that the end of the space cut is completed.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, said := &disk{room: 1500}, &bytes.Buffer{}
		l, err := accesslog.Open("stdout", accesslog.Combined, d, slog.New(slog.NewTextHandler(said, nil)))
		if err != nil {
			t.Fatal(err)
		}
		const all = 200 // 1 KB each: the buffer has room for 64 of them
		for i := range all {
			l.Write(numbered(i))
		}
		time.Sleep(150 * time.Second)
		stats := l.Stats()
		if stats.Error == nil || stats.Lost < 130 || stats.Lost > 140 {
			t.Errorf("%+v", stats)
		}
		if n := strings.Count(said.String(), "cannot be written"); n != 3 || !strings.Contains(said.String(), fmt.Sprintf("lost=%d ", stats.Lost)) {
			t.Errorf("said %d times: %s", n, said)
		}
		said.Reset()
		d.setRoom(1 << 20)
		time.Sleep(2 * time.Second)
		l.Write(numbered(all))
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if after := l.Stats(); after != (accesslog.Stats{Lost: stats.Lost}) || strings.Count(said.String(), "written again") != 1 {
			t.Errorf("%+v; said %s", after, said)
		}
		kept := numbers(t, d.got.String())
		want := make([]int, 0, all)
		for i := range all - int(stats.Lost) {
			want = append(want, i)
		}
		if want = append(want, all); !slices.Equal(kept, want) {
			t.Errorf("%v, want %v", kept, want)
		}
	})
}

// TestFullDiskAtTheEnd: what nobody could write is told at the end.
func TestFullDiskAtTheEnd(t *testing.T) {
	l, err := accesslog.Open("stdout", accesslog.Combined, &disk{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		l.Write(numbered(i))
	}
	if err := l.Flush(); err == nil {
		t.Error("nobody is told")
	}
	if err := l.Close(); err == nil || !strings.Contains(err.Error(), "lost: 7: no space left") {
		t.Error(err)
	}
}

// TestFullFile: a file never ends in a part of a line, not even while it is
// full, or when it stays so.
func TestFullFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.log")
	l, err := accesslog.Open(name, accesslog.Combined, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		l.Write(numbered(i))
	}
	room := limitFiles(t, 5500)
	if err := l.Flush(); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("flushed with %v", err)
	}
	if got := numbers(t, read(t, name)); !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Errorf("while the disk is full: %v", got)
	}
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil { // what did not fit into the old file does into the new one
		t.Error(err)
	}
	if err := l.Flush(); err != nil {
		t.Error(err)
	}
	room()
	l.Write(numbered(10))
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if got := append(numbers(t, read(t, name+".1")), numbers(t, read(t, name))...); !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
		t.Errorf("in the end: %v", got)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// limitFiles keeps files from growing beyond a size until the function that it
// returns is called, which happens at the end of the test anyway.
func limitFiles(t *testing.T, size uint64) (lift func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	lift = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { lift(); signal.Reset(syscall.SIGXFSZ) })
	return lift
}
