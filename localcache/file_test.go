package localcache

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"example.com/ezdfs/metadata"
)

// opened returns a copy of body from memory and one from disk.
func opened(t *testing.T, body string) map[string]func() *File {
	now := newClock()
	sources := map[string]func() *File{}
	for name, o := range tiers(t, now) {
		if name == "both" || name == "memory" && len(body) > maxSmall {
			continue
		}
		c := open(t, o)
		row := rowOf("var/a", body, now.Now())
		put(t, c, row, body)
		sources[name] = func() *File {
			f, ok := c.Get(row)
			if !ok {
				t.Fatal("no copy")
			}
			t.Cleanup(func() { f.Close() })
			return f
		}
	}
	return sources
}

func TestFile(t *testing.T) {
	for _, body := range []string{"", "0123456789", strings.Repeat("0123456789", 10_000)} {
		for name, source := range opened(t, body) {
			if err := iotest.TestReader(source(), []byte(body)); err != nil {
				t.Errorf("%s, %d bytes: %v", name, len(body), err)
			}
		}
	}
}

func TestSeek(t *testing.T) {
	for name, source := range opened(t, "0123456789") {
		f := source()
		for _, tt := range []struct {
			offset int64
			whence int
			at     int64
			rest   string
		}{
			{3, io.SeekStart, 3, "3456789"},
			{-4, io.SeekEnd, 6, "6789"},
			{-10, io.SeekCurrent, 0, "0123456789"},
			{0, io.SeekCurrent, 10, ""},
			{5, io.SeekEnd, 15, ""},
		} {
			at, err := f.Seek(tt.offset, tt.whence)
			if at != tt.at || err != nil {
				t.Errorf("%s: Seek(%d, %d) = %d, %v", name, tt.offset, tt.whence, at, err)
			}
			var b bytes.Buffer
			if n, err := f.WriteTo(&b); b.String() != tt.rest || n != int64(b.Len()) || err != nil {
				t.Errorf("%s: from %d: %q, %v", name, at, &b, err)
			}
		}
		for _, whence := range []int{io.SeekStart, io.SeekCurrent, io.SeekEnd} {
			if _, err := f.Seek(-100, whence); err == nil {
				t.Errorf("%s: a negative offset, whence %d", name, whence)
			}
		}
		if _, err := f.ReadAt(make([]byte, 1), -1); err == nil {
			t.Errorf("%s: ReadAt of the header", name)
		}
	}
}

// TestHandsOverTheFile: the kernel can move the bytes only where the
// destination sees a file, and must not see the header.
func TestHandsOverTheFile(t *testing.T) {
	f := opened(t, "0123456789")["disk"]()
	w := &wantsFile{}
	n, err := io.Copy(w, f)
	if n != 10 || err != nil || w.got.String() != "0123456789" || !w.file {
		t.Errorf("copied %d bytes %q, %v, from a file: %v", n, &w.got, err, w.file)
	}
	f.Seek(2, io.SeekStart)
	w = &wantsFile{}
	if _, err := io.CopyN(w, f, 5); err != nil || w.got.String() != "23456" || !w.file {
		t.Errorf("copied %q, %v, from a file: %v", &w.got, err, w.file)
	}
	if _, err := opened(t, "")["memory"]().SyscallConn(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("SyscallConn of a copy in memory: %v", err)
	}
}

// wantsFile notes whether it reads from a file, as a network connection that
// uses sendfile does.
type wantsFile struct {
	got  bytes.Buffer
	file bool
}

func (w *wantsFile) Write(p []byte) (int, error) { return w.got.Write(p) }

func (w *wantsFile) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if conn, ok := limited.R.(syscall.Conn); ok {
			_, err := conn.SyscallConn()
			w.file = err == nil
		}
	}
	return w.got.ReadFrom(r)
}

// TestServed: over a real connection, by WriteTo and by http.ServeContent.
func TestServed(t *testing.T) {
	body := strings.Repeat("0123456789", 40_000)
	for _, content := range []string{body, body[:5000]} {
		for name, source := range opened(t, content) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				f := source()
				if r.URL.Path == "/content" {
					http.ServeContent(w, r, "a.txt", f.ModTime(), f)
				} else if n, err := f.WriteTo(w); n != f.Size() || err != nil {
					t.Errorf("WriteTo: %d, %v", n, err)
				}
			}))
			for _, tt := range []struct{ path, ranges, want string }{
				{"/plain", "", content},
				{"/content", "", content},
				{"/content", "bytes=0-0", "0"},
				{"/content", "bytes=1234-4321", content[1234:4322]},
				{"/content", "bytes=-3", "789"},
			} {
				if got := fetch(t, server.URL+tt.path, tt.ranges); got != tt.want {
					t.Errorf("%s %s %q: %d bytes, want %d", name, tt.path, tt.ranges, len(got), len(tt.want))
				}
			}
			server.Close()
			http.DefaultClient.CloseIdleConnections()
		}
	}
}

func fetch(t *testing.T, url, ranges string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ranges != "" {
		request.Header.Set("Range", ranges)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// TestReadOn: what is open stays what it was.
func TestReadOn(t *testing.T) {
	now := newClock()
	for name, o := range tiers(t, now) {
		body := strings.Repeat("old", 10_000)
		row := rowOf("var/a", body, now.Now())
		for change, do := range map[string]func(c *Cache){
			"replaced": func(c *Cache) { put(t, c, rowOf("var/a", "new", now.Now()), "new") },
			"removed":  func(c *Cache) { c.Remove("var/a") },
			"closed":   func(c *Cache) { c.Close() },
			"evicted": func(c *Cache) {
				if c.disk != nil {
					c.disk.evict(0, 0)
				}
			},
		} {
			c := open(t, o)
			now.add(1)
			put(t, c, row, body)
			f, ok := c.Get(row)
			if !ok {
				t.Fatal("no copy")
			}
			if _, err := io.ReadFull(f, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			do(c)
			rest, err := io.ReadAll(f)
			if string(rest) != body[1000:] || err != nil {
				t.Errorf("%s, %s: %d bytes, %v", name, change, len(rest), err)
			}
			f.Close()
		}
	}
}

// TestCutWhileRead: somebody else's hands are noticed.
func TestCutWhileRead(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	c := open(t, o)
	row := metadata.Row{Name: "var/a", Size: 1000, MTime: 1}
	put(t, c, row, strings.Repeat("x", 1000))
	f, ok := c.Get(row)
	if !ok {
		t.Fatal("no copy")
	}
	defer f.Close()
	if err := os.Truncate(files(t, o.Dir)[0], 500); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteTo(io.Discard); err != io.ErrUnexpectedEOF {
		t.Errorf("WriteTo of a file that was cut: %v", err)
	}
}
