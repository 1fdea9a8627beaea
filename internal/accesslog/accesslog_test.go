package accesslog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"example.com/ezdfs/internal/accesslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// entry is one with everything in it.
func entry() *accesslog.Entry {
	return &accesslog.Entry{
		Request: &http.Request{
			Method: "GET", RequestURI: "/var/a%20b.png?x=1", Proto: "HTTP/1.1", Host: "www.example.com",
			Header: http.Header{"Referer": {"https://www.example.com/"}, "User-Agent": {"Mozilla/5.0 (X11)"}},
		},
		Client: netip.MustParseAddr("192.0.2.7"), Begin: time.Date(2026, 11, 21, 7, 5, 9, 123456000, time.FixedZone("", 3600)),
		FirstByte: 1500 * time.Microsecond, Took: 2500 * time.Millisecond,
		Status: 206, Bytes: 2326, Backend: "s3:media", RequestID: "abc",
	}
}

// written returns what a log writes of entries.
func written(t *testing.T, format accesslog.Format, entries ...*accesslog.Entry) string {
	t.Helper()
	var b bytes.Buffer
	l, err := accesslog.Open("stdout", format, &b, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		l.Write(e)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	return b.String()
}

func TestCombined(t *testing.T) {
	nothing := &accesslog.Entry{Request: &http.Request{Method: "HEAD", RequestURI: "/", Proto: "HTTP/2.0"},
		Begin: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Status: 304}
	injected := entry()
	injected.Request.Method = "GET\" 200 1\n"
	injected.Request.RequestURI = "/\x1b[31m\r\nx - - \"\\\x00\x7f\xff\u00e4\t\v\b"
	injected.Request.Header["Referer"] = []string{"\" \"evil"}
	injected.Request.Header["User-Agent"] = []string{""}
	injected.Client = netip.MustParseAddr("2001:db8::1")
	for name, test := range map[string]struct {
		entry *accesslog.Entry
		want  string
	}{
		"all":     {entry(), `192.0.2.7 - - [21/Nov/2026:07:05:09 +0100] "GET /var/a%20b.png?x=1 HTTP/1.1" 206 2326 "https://www.example.com/" "Mozilla/5.0 (X11)"`},
		"nothing": {nothing, `- - - [02/Jan/2026:03:04:05 +0000] "HEAD / HTTP/2.0" 304 - "-" "-"`},
		"injection": {injected, `2001:db8::1 - - [21/Nov/2026:07:05:09 +0100] ` +
			`"GET\" 200 1\n /\x1b[31m\r\nx - - \"\\\x00\x7f\xff\xc3\xa4\t\v\b HTTP/1.1" 206 2326 "\" \"evil" ""`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := written(t, accesslog.Combined, test.entry); got != test.want+"\n" {
				t.Errorf("wrote\n%swant\n%s", got, test.want)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	const want = `{"time":"2026-11-21T06:05:09.123456Z","client":"192.0.2.7","method":"GET","host":"www.example.com",` +
		`"uri":"/var/a%20b.png?x=1","protocol":"HTTP/1.1","referer":"https://www.example.com/","user_agent":"Mozilla/5.0 (X11)",` +
		`"request_id":"abc","backend":"s3:media","status":206,"bytes":2326,"seconds":2.500000,"first_byte_seconds":0.001500,"aborted":false}` + "\n"
	if got := written(t, accesslog.JSON, entry()); got != want {
		t.Errorf("wrote\n%swant\n%s", got, want)
	}
}

// TestSignaturesAreLeftOut: a signed URL is good for whoever reads it.
func TestSignaturesAreLeftOut(t *testing.T) {
	for uri, want := range map[string]string{
		"/a?expires=17&signature=s3cret":           "/a?expires=17&signature=redacted",
		"/a?signature=s3cret&x=1&signature=s3cret": "/a?signature=redacted&x=1&signature=redacted",
		"/a?%73ignatur%65=s3cret%3D":               "/a?%73ignatur%65=redacted",
		"https://host/a?&signature=s3cret?=s3cret": "https://host/a?&signature=redacted",
		"/a?signature":         "/a?signature",
		"/a?x=signature=1&y=%": "/a?x=signature=1&y=%",
		"/signature=1":         "/signature=1",
	} {
		e := entry()
		e.Request.RequestURI = uri
		e.Request.Header["Referer"] = []string{uri}
		for _, format := range []accesslog.Format{accesslog.Combined, accesslog.JSON} {
			if line := written(t, format, e); strings.Count(line, want) != 2 || strings.Contains(line, "s3cret") {
				t.Errorf("%s: want %s twice in %s", uri, want, line)
			}
		}
	}
}

// FuzzLines: whatever a client sends, one entry is one line, and JSON.
func FuzzLines(f *testing.F) {
	f.Add("/\n\"", "a\\\",\"status\":200", "\u2028\xff\x00")
	f.Fuzz(func(t *testing.T, uri, referer, agent string) {
		e := entry()
		e.Request.RequestURI = uri
		e.Request.Header["Referer"], e.Request.Header["User-Agent"] = []string{referer}, []string{agent}
		combined := written(t, accesslog.Combined, e)
		if strings.Count(combined, "\n") != 1 || strings.ContainsFunc(combined, func(r rune) bool { return r >= 0x7f || r < ' ' && r != '\n' }) {
			t.Errorf("combined: %q", combined)
		}
		if quotes := strings.Count(strings.ReplaceAll(strings.ReplaceAll(combined, `\\`, ""), `\"`, ""), `"`); quotes != 6 {
			t.Errorf("combined: %d quotes: %q", quotes, combined)
		}
		line := written(t, accesslog.JSON, e)
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || strings.Count(line, "\n") != 1 {
			t.Errorf("JSON: %q: %v", line, err)
		}
		if got := fields["uri"]; utf8.ValidString(uri) && got != uri && !strings.Contains(uri, "?") {
			t.Errorf("JSON: %q is %q", uri, got)
		}
	})
}

// TestReopen: after the file was moved away, later lines go to a new one.
func TestReopen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.log")
	l, err := accesslog.Open(name, accesslog.Combined, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Write(entry())
	if err := errors.Join(os.Rename(name, name+".1"), l.Reopen()); err != nil {
		t.Error(err)
	}
	for range 2 {
		l.Write(entry())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for file, want := range map[string]int{name + ".1": 1, name: 2} {
		data, err := os.ReadFile(file)
		if got := bytes.Count(data, []byte("\n")); got != want || err != nil {
			t.Errorf("%s: %d lines, want %d, %v", filepath.Base(file), got, want, err)
		}
	}
}

func TestReopenFails(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "logs", "access.log")
	if err := os.Mkdir(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	l, err := accesslog.Open(name, accesslog.Combined, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(dir, "moved")
	if err := os.Rename(filepath.Dir(name), moved); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Error("a directory that is gone was opened")
	}
	l.Write(entry())
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(filepath.Join(moved, "access.log")); len(data) == 0 || err != nil {
		t.Errorf("the old file has %q, %v", data, err)
	}
}

// TestOff: a log that is off can be used.
func TestOff(t *testing.T) {
	l, err := accesslog.Open("", accesslog.Combined, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Write(entry())
	if err := errors.Join(l.Reopen(), l.Flush(), l.Close()); err != nil {
		t.Error(err)
	}
	if _, err := accesslog.Open(filepath.Join(t.TempDir(), "none", "x"), accesslog.Combined, nil, nil); err == nil {
		t.Error("a file in no directory was opened")
	}
}

// TestConcurrent: lines of many writers stay whole, and reach the output in
// whole lines.
func TestConcurrent(t *testing.T) {
	var chunks []string
	l, err := accesslog.Open("stdout", accesslog.JSON, writerFunc(func(p []byte) (int, error) {
		chunks = append(chunks, string(p))
		return len(p), nil
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 500 {
				l.Write(entry())
			}
		})
	}
	writers.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if lines := strings.Count(strings.Join(chunks, ""), "\n"); lines != 4000 || len(chunks) > 100 {
		t.Errorf("%d lines in %d writes", lines, len(chunks))
	}
	for _, chunk := range chunks {
		if !strings.HasSuffix(chunk, "}\n") {
			t.Fatalf("a write ends with %q", chunk[max(0, len(chunk)-20):])
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestAllocations(t *testing.T) {
	for _, format := range []accesslog.Format{accesslog.Combined, accesslog.JSON} {
		l, err := accesslog.Open("stdout", format, io.Discard, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := entry()
		if n := testing.AllocsPerRun(100, func() { l.Write(e) }); n > 0 {
			t.Errorf("%s: %v allocations a line", format, n)
		}
		l.Close()
	}
}

func ExampleOpen() {
	log, err := accesslog.Open("stdout", accesslog.Combined, os.Stdout, nil)
	if err != nil {
		panic(err)
	}
	log.Write(&accesslog.Entry{
		Request: &http.Request{Method: "GET", RequestURI: "/a", Proto: "HTTP/1.1"},
		Client:  netip.MustParseAddr("192.0.2.7"), Status: 200, Bytes: 5,
	})
	if err := log.Close(); err != nil {
		fmt.Println(err)
	}
	// Output: 192.0.2.7 - - [01/Jan/0001:00:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "-"
}
