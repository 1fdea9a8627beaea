package localcache

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/ezdfs/metadata"
)

// world is a model of a cluster with few paths, few sizes and a slow clock, in
// which rows are easily equal although bodies differ.
type world struct {
	now    *clock
	bodies map[string]string // by path: what a store holds
	rows   map[string]metadata.Row
	seen   map[string]metadata.Row // rows that a reader read, some time ago
	serial int
	caches []*Cache
	open   []writing
}

// writing is a copy under way: its body was opened.
type writing struct {
	w    *Writer
	body string
}

// write changes a file, as a host does whose clock is off by as much as Skew.
func (w *world) write(path string, off time.Duration) {
	w.serial++
	body := fmt.Sprintf("%06d", w.serial)
	if w.serial%5 == 0 {
		body += "longer"
	}
	w.bodies[path] = body
	w.rows[path] = metadata.Row{Name: path, Size: int64(len(body)), MTime: w.now.Now().Add(off).Unix()}
}

// TestModel: Get only ever returns exactly the bytes of the row asked for.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		w := &world{now: newClock(), bodies: map[string]string{}, rows: map[string]metadata.Row{}, seen: map[string]metadata.Row{}}
		shared, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(shared)
		for _, memory := range []int64{0, 2000} { // two processes on one directory
			c, err := Open(Options{Dir: shared, MaxSize: 6 * blockSize, MemorySize: memory, Now: w.now.Now})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { c.Close() }()
			w.caches = append(w.caches, c)
		}
		paths := rapid.SampledFrom([]string{"a", "a", "a", "a/b", "b", "c", "d"})
		caches := rapid.SampledFrom(w.caches)
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {},
			"write": func(t *rapid.T) {
				off := rapid.IntRange(-2000, 2000).Draw(t, "off")
				w.write(paths.Draw(t, "path"), time.Duration(off)*time.Millisecond)
			},
			"wait": func(t *rapid.T) {
				w.now.add(time.Duration(rapid.IntRange(0, 2500).Draw(t, "ms")) * time.Millisecond)
			},
			"read a row": func(t *rapid.T) {
				if row, ok := w.rows[paths.Draw(t, "path")]; ok {
					w.seen[row.Name] = row
				}
			},
			"begin": func(t *rapid.T) {
				row, ok := w.rows[paths.Draw(t, "path")]
				if seen, read := w.seen[row.Name]; read && rapid.Bool().Draw(t, "seen") {
					row = seen
				}
				if ok && row.Size == int64(len(w.bodies[row.Name])) {
					w.open = append(w.open, writing{caches.Draw(t, "cache").Create(row, w.now.Now()), w.bodies[row.Name]})
				}
			},
			"end": func(t *rapid.T) {
				if len(w.open) == 0 {
					return
				}
				i := rapid.IntRange(0, len(w.open)-1).Draw(t, "writing")
				io.WriteString(w.open[i].w, w.open[i].body)
				if rapid.Bool().Draw(t, "commit") {
					if err := w.open[i].w.Commit(); err != nil {
						t.Fatal(err)
					}
				}
				w.open[i].w.Discard()
				w.open = append(w.open[:i], w.open[i+1:]...)
			},
			"get": func(t *rapid.T) {
				row, ok := w.rows[paths.Draw(t, "path")]
				f, found := caches.Draw(t, "cache").Get(row)
				if !found {
					return
				}
				defer f.Close()
				body, err := io.ReadAll(f)
				if !ok || err != nil || string(body) != w.bodies[row.Name] {
					t.Fatalf("Get(%+v) = %q, %v, want %q", row, body, err, w.bodies[row.Name])
				}
			},
			"stale": func(t *rapid.T) {
				path := paths.Draw(t, "path")
				if f, found := caches.Draw(t, "cache").Stale(path); found {
					defer f.Close()
					if n, err := f.WriteTo(io.Discard); n != f.Size() || err != nil || w.rows[path].Name == "" {
						t.Fatalf("Stale(%q): %d of %d bytes, %v", path, n, f.Size(), err)
					}
				}
			},
			"remove": func(t *rapid.T) { caches.Draw(t, "cache").Remove(paths.Draw(t, "path")) },
			"scan":   func(t *rapid.T) { caches.Draw(t, "cache").disk.scan() },
			"evict":  func(t *rapid.T) { caches.Draw(t, "cache").disk.evict(0, 2*blockSize) },
		})
		for _, open := range w.open {
			open.w.Discard()
		}
		for _, c := range w.caches {
			if s := c.Stats(); s.Errors != 0 || s.Corrupt != 0 || s.Bytes > 6*blockSize {
				t.Fatalf("%+v", s)
			}
		}
	})
}
