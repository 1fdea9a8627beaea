package localcache

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
)

// TestDirectoryFails: nothing that goes wrong with the directory fails the
// caller, and the cache works again once it is mended.
func TestDirectoryFails(t *testing.T) {
	for name, tt := range map[string]struct {
		breakIt, mend func(dir string) error
	}{
		"removed": {os.RemoveAll, func(string) error { return nil }},
		"a file in its place": {
			func(dir string) error {
				return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
			},
			os.Remove,
		},
		"taken by somebody": {
			func(dir string) error {
				return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600))
			},
			os.RemoveAll,
		},
		"a file in the place of tmp": {
			func(dir string) error {
				tmp := filepath.Join(dir, tempDir)
				return errors.Join(os.RemoveAll(tmp), os.WriteFile(tmp, nil, 0o600))
			},
			func(dir string) error { return os.Remove(filepath.Join(dir, tempDir)) },
		},
		"a link loop in the place of a copy's directory": {
			func(dir string) error {
				sub := filepath.Dir(filepath.Join(dir, keyOf("var/small").path()))
				return errors.Join(os.RemoveAll(sub), os.Symlink(sub, sub))
			},
			func(dir string) error {
				return os.Remove(filepath.Dir(filepath.Join(dir, keyOf("var/small").path())))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := newClock()
			o := onDisk(t, now)
			c := open(t, o)
			small, big := rowOf("var/small", kilo, now.Now()), rowOf("var/big", large("b"), now.Now())
			put(t, c, small, kilo)
			w := c.Create(big, now.Now())
			io.WriteString(w, large("b")[:1000])
			if err := tt.breakIt(o.Dir); err != nil {
				t.Fatal(err)
			}
			if n, err := io.WriteString(w, large("b")[1000:]); n != len(large("b"))-1000 || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
			w.Commit()
			create(c, small, kilo, now.Now())
			if f, ok := c.Get(small); ok {
				checkFile(t, f, small, kilo)
			}
			c.Remove("var/none")
			c.disk.scan()
			c.disk.evict(0, 0)
			if err := tt.mend(o.Dir); err != nil {
				t.Fatal(err)
			}
			now.add(time.Hour)
			put(t, c, small, kilo)
			wantBody(t, c, small, kilo)
			put(t, c, big, large("b"))
			wantBody(t, c, big, large("b"))
			if _, err := os.Stat(filepath.Join(o.Dir, tagName)); err != nil {
				t.Error("the directory is no longer marked")
			}
		})
	}
}

// TestUnreachableAtFirst: a directory that comes later is used then.
func TestUnreachableAtFirst(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	log, output := logged()
	o.Logger, o.MemorySize = log, 1<<20
	parent := filepath.Dir(o.Dir) + "/volume"
	writeFile(t, parent, "not a directory")
	o.Dir = filepath.Join(parent, "copies")
	c := open(t, o)
	row := rowOf("var/a", kilo, now.Now())
	put(t, c, row, kilo) // in memory
	wantBody(t, c, row, kilo)
	if !strings.Contains(output(), o.Dir) || strings.Count(output(), "\n") != 1 || c.Stats().Errors < 2 {
		t.Errorf("logged %q with %d errors, want one line a minute that names the directory", output(), c.Stats().Errors)
	}
	now.add(logPause)
	if err := os.Remove(parent); err != nil {
		t.Fatal(err)
	}
	c.disk.scan()
	put(t, c, row, kilo)
	if n := len(files(t, o.Dir)); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
}

// TestFullDisk: old copies give way to new ones where the file system is
// smaller than MaxSize.
func TestFullDisk(t *testing.T) {
	now := newClock()
	dir := filepath.Join(t.TempDir(), "full")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mountTmpfs(t, dir, "4m")
	log, output := logged()
	c := open(t, Options{Dir: dir, MaxSize: 1 << 30, Logger: log, Now: now.Now})
	body := large("0123456789")
	rows := make([]metadata.Row, 100)
	failed := 0
	for i := range rows {
		rows[i] = rowOf("var/"+strings.Repeat("x", i), body, now.Now())
		if err := create(c, rows[i], body, now.Now()); errors.Is(err, syscall.ENOSPC) {
			failed++
		} else if err != nil {
			t.Error(err)
		} else {
			wantBody(t, c, rows[i], body)
		}
		now.add(2 * time.Second)
	}
	if failed == 0 || failed > len(rows)/2+1 {
		t.Errorf("%d of %d failed, want some, but not most", failed, len(rows))
	}
	if n := len(temps(t, dir)); n != 0 || c.Stats().Evicted == 0 {
		t.Errorf("%d temporary files left, %+v", n, c.Stats())
	}
	if lines := strings.Count(output(), "\n"); lines == 0 || lines > 5 {
		t.Errorf("logged %d lines in 200 s:\n%s", lines, output())
	}
}
