package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/metadata"
)

const target = "/var/storage/a"

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status int
		logged bool
	}{
		{"absent", &fs.PathError{Op: "get", Path: "a", Err: fs.ErrNotExist}, 404, false},
		{"expired", &cluster.ExpiredError{Path: "a"}, 404, false},
		{"invalid", &backends.Error{Kind: fs.ErrInvalid}, 404, false},
		{"database down", databaseDown, 503, true},
		{"row locked", &metadata.Error{Kind: metadata.ErrLocked}, 503, true},
		{"tables missing", &metadata.Error{Kind: metadata.ErrSchema}, 503, true},
		{"store down", storeDown, 503, true},
		{"store busy", &backends.Error{Retry: true}, 503, true},
		{"store too slow", context.DeadlineExceeded, 503, true},
		{"body missing", bodyMissing, 500, true},
		{"permission", &backends.Error{Kind: fs.ErrPermission}, 500, true},
		{"unknown", errors.New("secret.example.com"), 500, true},
	} {
		for _, conditional := range []bool{false, true} {
			t.Run(fmt.Sprint(test.name, conditional), func(t *testing.T) {
				var log bytes.Buffer
				f := fakeFile("0123456789")
				f.open = func() (*cluster.File, error) { return nil, test.err }
				lines := []string{"Accept: application/json"}
				if conditional {
					f.stat = func() (metadata.Row, error) { return metadata.Row{}, test.err }
					lines = append(lines, "If-None-Match: *")
				}
				h := gateway.New(f, gateway.Options{RetryAfter: 7 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				w := get(t, h, "GET", target, lines...)
				body := w.Body.String()
				if w.Code != test.status || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Etag") != "" {
					t.Errorf("%d %v, want %d", w.Code, w.Header(), test.status)
				}
				if want := fmt.Sprintf("{\"status\":%d,\"error\":%q}\n", test.status, http.StatusText(test.status)); body != want {
					t.Errorf("body %q", body)
				}
				if got := w.Header().Get("Retry-After"); (got == "7") != (test.status == 503) {
					t.Errorf("Retry-After: %q", got)
				}
				if (log.Len() > 0) != test.logged || test.logged && !strings.Contains(log.String(), "path="+target) {
					t.Errorf("log: %s", &log)
				}
			})
		}
	}
}

func TestNobodyIsToldWhenTheClientIsGone(t *testing.T) {
	f := fakeFile("0123456789")
	f.open = func() (*cluster.File, error) { return nil, context.Canceled }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	defer func() {
		if got := recover(); got != http.ErrAbortHandler {
			t.Errorf("recovered %v", got)
		}
		if w.Body.Len() > 0 {
			t.Errorf("wrote %q", w.Body)
		}
	}()
	gateway.New(f, gateway.Options{}).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", target, nil))
}

// TestBrokenBodies: a body that is shorter than its row, or breaks off, must
// not reach a client as a complete one.
func TestBrokenBodies(t *testing.T) {
	for name, body := range map[string]io.Reader{
		"short":        strings.NewReader("01234"),
		"empty":        strings.NewReader(""),
		"broken off":   &failing{strings.NewReader("01234"), storeDown},
		"changed":      &failing{strings.NewReader("0123456789"), &backends.Error{Kind: backends.ErrChanged}},
		"long":         strings.NewReader("0123456789abc"),
		"short, large": strings.NewReader(strings.Repeat("x", 5)),
	} {
		t.Run(name, func(t *testing.T) {
			f := fakeFile("0123456789")
			if strings.HasSuffix(name, "large") {
				f.row.Size = 1 << 20
			}
			f.open = func() (*cluster.File, error) { return fileOf(f.row, body, "1"), nil }
			server := serve(t, gateway.New(f, gateway.Options{}))
			r, err := server.Client().Get(server.URL + target)
			if err != nil {
				return // broken off before the header
			}
			defer r.Body.Close()
			data, err := io.ReadAll(r.Body)
			// Whoever counts gets an error; the connection is closed either
			// way. All promised bytes may have left before the store said that
			// the body changed under them.
			if complete := int64(len(data)) == f.row.Size; err == nil && !complete {
				t.Errorf("%q is taken for complete", data)
			}
		})
	}
}

// TestPartsOfOneBody: a multipart answer never joins parts of two bodies.
func TestPartsOfOneBody(t *testing.T) {
	f := fakeFile("0123456789")
	f.open = func() (*cluster.File, error) {
		return fileOf(f.row, strings.NewReader("01"), fmt.Sprint("version ", f.opened.Load())), nil
	}
	server := serve(t, gateway.New(f, gateway.Options{}))
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Range", "bytes=0-1,4-5")
	answer, err := server.Client().Do(r)
	if err == nil {
		_, err = io.ReadAll(answer.Body)
		answer.Body.Close()
	}
	if err == nil || f.opened.Load() != 2 {
		t.Errorf("parts of two bodies were joined (opened %d times)", f.opened.Load())
	}
}

// TestFileChangesBeforeItIsOpened: the conditions hold for the row that came
// with the body.
func TestFileChangesBeforeItIsOpened(t *testing.T) {
	for _, test := range []struct {
		name, line string
		status     int
	}{
		{"If-Match the old", `If-Match: "1600000000-4"`, 412},
		{"If-None-Match the new", `If-None-Match: "1700000000-10"`, 304},
		{"If-Range the old", "If-Range: \"1600000000-4\"", 200},
		{"the range is past the old end", "Range: bytes=0-", 206},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := fakeFile("0123456789")
			old := f.row
			old.Size, old.MTime = 4, 1_600_000_000
			f.stat = func() (metadata.Row, error) { return old, nil }
			lines := []string{test.line}
			if strings.HasPrefix(test.line, "If-Range") {
				lines = append(lines, "Range: bytes=0-0")
			}
			w := get(t, gateway.New(f, gateway.Options{}), "GET", target, lines...)
			if w.Code != test.status {
				t.Errorf("status %d, want %d", w.Code, test.status)
			}
			if got := w.Header().Get("Etag"); w.Code < 400 && got != `"1700000000-10"` {
				t.Errorf("ETag %s", got)
			}
		})
	}
}

func TestFileThatNeverSettles(t *testing.T) {
	f := fakeFile("0123456789")
	f.open = func() (*cluster.File, error) {
		f.row.MTime++
		return fileOf(f.row, bytes.NewReader(f.body), "1"), nil
	}
	w := get(t, gateway.New(f, gateway.Options{}), "GET", target, "Range: bytes=0-0")
	if w.Code != http.StatusServiceUnavailable || f.opened.Load() > 10 {
		t.Errorf("status %d after opening %d times", w.Code, f.opened.Load())
	}
}

// TestRowDecides: what the row alone decides costs no call to a store.
func TestRowDecides(t *testing.T) {
	for line, status := range map[string]int{
		`If-None-Match: "1700000000-10"`: 304, `If-Match: "x"`: 412, "Range: bytes=10-": 416,
		"If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT": 304,
	} {
		f := fakeFile("0123456789")
		if w := get(t, gateway.New(f, gateway.Options{}), "GET", target, line); w.Code != status || f.opened.Load() > 0 {
			t.Errorf("%s: %d, opened %d times", line, w.Code, f.opened.Load())
		}
	}
}

// TestLaggingRowHeals: a body that is not the size of its row is mended by the
// cluster, and the answer has the size of the body.
func TestLaggingRowHeals(t *testing.T) {
	s := loadSettings(t, "")
	c := newCluster(t, s)
	store(t, c, "var/storage/a", "0123456789")
	if err := os.WriteFile(s.DFS.MountPointPath+target, []byte("0123"), 0o666); err != nil {
		t.Fatal(err)
	}
	h := gateway.New(c, gateway.Options{})
	for _, test := range []struct {
		method string
		status int
		length string
		lines  []string
	}{
		{"GET", 206, "3", []string{"Range: bytes=1-"}},
		{"HEAD", 200, "4", nil},
		{"GET", 200, "4", nil},
		{"GET", 416, "", []string{"Range: bytes=4-"}},
	} {
		w := get(t, h, test.method, target, test.lines...)
		if w.Code != test.status || test.length != "" && w.Header().Get("Content-Length") != test.length {
			t.Errorf("%s %v: %d, %v", test.method, test.lines, w.Code, w.Header())
		}
	}
	if row, err := c.Stat(t.Context(), "var/storage/a"); row.Size != 4 || err != nil {
		t.Errorf("%+v, %v", row, err)
	}
}
