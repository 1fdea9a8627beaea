package localcache

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestTorn: whatever a power loss leaves of a file is not served.
func TestTorn(t *testing.T) {
	for name, tear := range map[string]func(file []byte) []byte{
		"empty":          func(b []byte) []byte { return nil },
		"half a header":  func(b []byte) []byte { return b[:30] },
		"header alone":   func(b []byte) []byte { return b[:headerSize] },
		"a byte less":    func(b []byte) []byte { return b[:len(b)-1] },
		"a byte more":    func(b []byte) []byte { return append(b, 0) },
		"zero header":    func(b []byte) []byte { clear(b[:headerSize]); return b },
		"zero body":      func(b []byte) []byte { clear(b[headerSize:]); return b },
		"zero block":     func(b []byte) []byte { clear(b[4096:8192]); return b },
		"flipped header": func(b []byte) []byte { b[20] ^= 1; return b },
		"flipped body":   func(b []byte) []byte { b[headerSize+77] ^= 1; return b },
	} {
		t.Run(name, func(t *testing.T) {
			now := newClock()
			for _, memory := range []int64{0, 1 << 20} {
				o := onDisk(t, now)
				c := open(t, o)
				body := strings.Repeat("0123456789", 1000)
				row := rowOf("var/a", body, now.Now())
				put(t, c, row, body)
				c.Close()
				path := files(t, o.Dir)[0]
				file, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				writeFile(t, path, string(tear(file)))

				o.MemorySize = memory
				c = open(t, o)
				c.disk.boot++ // the host was restarted
				if f, ok := c.Stale(row.Name); ok {
					f.Close()
					t.Error("served as stale")
				}
				wantNone(t, c, row)
				if s := c.Stats(); s.Corrupt != 1 || s.Files != 0 || len(files(t, o.Dir)) != 0 {
					t.Errorf("%+v, want the file removed", s)
				}
				put(t, c, row, body)
				wantBody(t, c, row, body)
			}
		})
	}
}

// TestVerifiedOnce: a whole file of another boot is compared with its checksum
// the first time only.
func TestVerifiedOnce(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	c := open(t, o)
	row := rowOf("var/a", kilo, now.Now())
	put(t, c, row, kilo)
	c.Close()
	c = open(t, o)
	c.disk.boot++
	wantBody(t, c, row, kilo)
	now.add(time.Second)
	c.disk.scan() // which keeps what is known
	path := files(t, o.Dir)[0]
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file[headerSize] = 'X' // would be noticed
	writeFile(t, path, string(file))
	wantBody(t, c, row, "X"+kilo[1:])
}

// TestMovedFile: a file that came under another name is not that path's copy.
func TestMovedFile(t *testing.T) {
	now := newClock()
	c := open(t, onDisk(t, now))
	a, b := rowOf("var/a", kilo, now.Now()), rowOf("var/b", kilo, now.Now())
	put(t, c, a, kilo)
	put(t, c, b, kilo)
	if err := os.Rename(c.disk.path(keyOf("var/a")), c.disk.path(keyOf("var/b"))); err != nil {
		t.Fatal(err)
	}
	wantNone(t, c, b)
}

// TestBodyThatLooksLikeACopy: a header in a body is just a body.
func TestBodyThatLooksLikeACopy(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	c := open(t, o)
	put(t, c, rowOf("var/a", kilo, now.Now()), kilo)
	file, err := os.ReadFile(files(t, o.Dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	row := rowOf("var/a", string(file), now.Now())
	put(t, c, row, string(file))
	wantBody(t, c, row, string(file))
	wantNone(t, c, rowOf("var/a", kilo, now.Now()))
}

// TestSweep: temporary files of the dead go, those of the living stay.
func TestSweep(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	c := open(t, o)
	living := c.Create(rowOf("var/a", large("a"), now.Now()), now.Now())
	io.WriteString(living, large("a"))
	for i := range 3 {
		writeFile(t, filepath.Join(o.Dir, tempDir, rand.Text()), fmt.Sprint("dead ", i))
	}
	other := open(t, o)
	for other.count.scans.Load() == 0 { // the first one, in the background, reads orphanAge
		runtime.Gosched()
	}
	other.disk.scan()
	if n := len(temps(t, o.Dir)); n != 4 {
		t.Errorf("%d temporary files, want the young ones left alone", n)
	}
	other.disk.orphanAge = 0
	other.disk.sweep()
	if n := len(temps(t, o.Dir)); n != 1 {
		t.Errorf("%d temporary files, want the one that is being written", n)
	}
	if err := living.Commit(); err != nil {
		t.Error(err)
	}
	wantBody(t, other, rowOf("var/a", large("a"), now.Now()), large("a"))
}
