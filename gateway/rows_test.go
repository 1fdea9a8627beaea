package gateway_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/events"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/metadata"
)

// remembered is a Rows that knows one row, of an age that tests set.
type remembered struct {
	row    metadata.Row
	exists bool
	age    time.Duration
	limit  time.Duration // beyond which it is not to be had
	lost   bool          // is not to be believed
}

func (r *remembered) Stale(string) (events.Answer, time.Duration, bool) {
	if r.age >= r.limit {
		return events.Answer{}, 0, false
	}
	return events.Answer{Known: !r.lost, Exists: r.exists, Row: r.row}, r.age, true
}

// TestRowsAreBelievedForAMoment: a row costs no question while it is young, one
// when it is not, and is the last resort while there is no answer.
func TestRowsAreBelievedForAMoment(t *testing.T) {
	for _, test := range []struct {
		name    string
		age     time.Duration
		exists  bool
		expired bool
		err     error // the database's
		status  int
		asked   int
		marked  string // Age
	}{
		{"young", 900 * time.Millisecond, true, false, nil, 200, 0, ""},
		{"young, absent", 900 * time.Millisecond, false, false, nil, 404, 0, ""},
		{"young, expired", 900 * time.Millisecond, true, true, nil, 404, 0, ""},
		{"old", time.Second, true, false, nil, 200, 1, ""},
		{"old, absent", time.Second, false, false, nil, 200, 1, ""},
		{"old, gone by now", time.Second, true, false, fs.ErrNotExist, 404, 1, ""},
		{"old, database down", 59 * time.Minute, true, false, databaseDown, 200, 1, "3540"},
		{"old, database too slow", time.Minute, true, false, context.DeadlineExceeded, 200, 1, "60"},
		{"old, expired, database down", time.Minute, true, true, databaseDown, 404, 1, ""},
		{"old, absent, database down", time.Minute, false, false, databaseDown, 503, 1, ""},
		{"too old, database down", time.Hour, true, false, databaseDown, 503, 1, ""},
		{"old, database odd", time.Minute, true, false, errors.New("odd"), 500, 1, ""},
	} {
		for _, line := range []string{"", "Range: bytes=0-9", `If-None-Match: "1700000000-10"`} {
			t.Run(test.name+" "+line, func(t *testing.T) {
				f, asked := fakeFile("0123456789"), 0
				rows := &remembered{row: f.row, exists: test.exists, age: test.age, limit: time.Hour}
				rows.row.Expired = test.expired
				f.stat = func() (metadata.Row, error) { asked++; return f.row, test.err }
				h := gateway.New(f, gateway.Options{Rows: rows, MetadataTTL: time.Second})
				var w *httptest.ResponseRecorder
				if line == "" {
					w = get(t, h, "GET", target)
				} else {
					w = get(t, h, "GET", target, line)
				}
				status := test.status
				switch {
				case status == 200 && strings.HasPrefix(line, "If"):
					status = 304
				case status == 200 && line != "":
					status = 206
				}
				if w.Code != status || asked != test.asked {
					t.Errorf("status %d, want %d; asked %d times, want %d", w.Code, status, asked, test.asked)
				}
				warning := w.Header().Get("Warning")
				if w.Header().Get("Age") != test.marked || (warning == `110 - "Response is Stale"`) != (test.marked != "") {
					t.Errorf("Age %q, Warning %q", w.Header().Get("Age"), warning)
				}
			})
		}
	}
}

// TestOldRowsGetNoNewBody: a body that may be newer than a row that was
// remembered gets a fresh row; where even that may be older than the body, no
// strong validator, so that nobody joins its parts to another's.
func TestOldRowsGetNoNewBody(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, test := range []struct {
		name    string
		age     time.Duration // of the row
		stored  time.Duration // ago
		modTime int64
		opened  int64 // times
		etag    string
	}{
		{"the row's by its time", 30 * time.Minute, time.Second, 1_700_000_000, 1, `"1700000000-10"`},
		{"PHP's, there for long", time.Second, time.Minute, 1_700_000_007, 1, `"1700000000-10"`},
		{"younger than the row's age", 30 * time.Minute, time.Minute, 1_700_000_007, 2, `"1750000000-10"`},
		{"younger than a commit takes", 500 * time.Millisecond, time.Second, 1_700_000_007, 2, `W/"1750000000-10"`},
	} {
		for _, line := range []string{"Accept: */*", "Range: bytes=0-9", "If-Range: \"1700000000-10\""} {
			t.Run(test.name+" "+line, func(t *testing.T) {
				f := fakeFile("0123456789")
				rows := &remembered{row: f.row, exists: true, age: test.age, limit: time.Hour}
				f.open = func() (*cluster.File, error) {
					row := f.row
					if f.opened.Load() > 1 { // asked for with Fresh
						row.MTime = 1_750_000_000
					}
					return &cluster.File{Row: row, Reader: &fakeReader{strings.NewReader("0123456789"), backends.Info{
						Size: 10, Version: "1", ModTime: time.Unix(test.modTime, 0), Stored: now.Add(-test.stored)}}}, nil
				}
				h := gateway.New(f, gateway.Options{Rows: rows, MetadataTTL: time.Hour, Now: func() time.Time { return now }})
				lines := []string{line}
				if strings.HasPrefix(line, "If-Range") {
					lines = append(lines, "Range: bytes=0-9")
				}
				w := get(t, h, "GET", target, lines...)
				if got := w.Header().Get("Etag"); got != test.etag {
					t.Errorf("%d, ETag %s, want %s", w.Code, got, test.etag)
				}
				holds := test.etag == `"1700000000-10"`
				if strings.HasPrefix(line, "If-Range") && (w.Code == 206) != holds {
					t.Errorf("If-Range: %d", w.Code)
				}
				if line == "Accept: */*" && f.opened.Load() != test.opened {
					t.Errorf("opened %d times, want %d", f.opened.Load(), test.opened)
				}
			})
		}
	}
}

// TestRowsOfACluster: the gateway hears at once what its cluster changes, and
// many who ask for the same file ask the database once.
func TestRowsOfACluster(t *testing.T) {
	s := loadSettings(t, "[Gateway]\nMetadataTTL=3600000\n")
	rows := gateway.NewRows(s)
	c := newCluster(t, s, cluster.WithListeners(rows))
	o, err := gateway.OptionsFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	o.Rows = rows
	h := gateway.New(c, o)
	if w := get(t, h, "GET", target); w.Code != 404 {
		t.Fatalf("before: %d", w.Code)
	}
	store(t, c, "var/storage/a", "one")
	for _, body := range []string{"one", "one"} {
		if w := get(t, h, "GET", target); w.Body.String() != body {
			t.Fatalf("%d %q", w.Code, w.Body)
		}
	}
	store(t, c, "var/storage/a", "two, longer")
	if w := get(t, h, "GET", target, "Range: bytes=4-"); w.Body.String() != " longer" {
		t.Errorf("after a change: %d %q", w.Code, w.Body)
	}
	before := h.Stats()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { get(t, h, "GET", target) })
	}
	all.Wait()
	if after := h.Stats(); after.RowHits != before.RowHits+50 || after.RowMisses != before.RowMisses {
		t.Errorf("%+v after %+v", after, before)
	}
	if _, err := c.Expire(t.Context(), "var/storage/a"); err != nil {
		t.Fatal(err)
	}
	if w := get(t, h, "GET", target); w.Code != http.StatusNotFound {
		t.Errorf("expired: %d", w.Code)
	}
}

// TestRowsAfterALoss: rows from before the change feed broke off are for when
// the database is down too.
func TestRowsAfterALoss(t *testing.T) {
	f, asked := fakeFile("0123456789"), 0
	var down error
	f.stat = func() (metadata.Row, error) { asked++; return f.row, down }
	h := gateway.New(f, gateway.Options{MetadataTTL: time.Hour, Rows: &remembered{row: f.row, exists: true, lost: true, limit: time.Hour}})
	if w := get(t, h, "GET", target); w.Code != 200 || asked != 1 || w.Header().Get("Warning") != "" {
		t.Errorf("%d, asked %d times", w.Code, asked)
	}
	down = databaseDown
	if w := get(t, h, "GET", target); w.Code != 200 || asked != 2 || w.Header().Get("Warning") == "" {
		t.Errorf("%d %v, asked %d times", w.Code, w.Header(), asked)
	}
}

// TestMetadataTTLOfZero asks every time, and yet remembers for when there is
// no answer.
func TestMetadataTTLOfZero(t *testing.T) {
	s := loadSettings(t, "[Gateway]\nMetadataTTL=0\n")
	rows := gateway.NewRows(s)
	c := newCluster(t, s, cluster.WithListeners(rows))
	o, err := gateway.OptionsFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	o.Rows = rows
	files := &switched{Files: c}
	h := gateway.New(files, o)
	store(t, c, "var/storage/a", "0123456789")
	for range 3 {
		if w := get(t, h, "GET", target); w.Code != 200 || w.Header().Get("Age") != "" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
	}
	if n := h.Stats(); n.RowHits != 0 || n.RowMisses != 3 {
		t.Errorf("%+v", n)
	}
	files.down = true
	w := get(t, h, "GET", target)
	if w.Code != 200 || w.Body.String() != "0123456789" || w.Header().Get("Warning") == "" || h.Stats().RowStale != 1 {
		t.Errorf("without a database: %d %v %q", w.Code, w.Header(), w.Body)
	}
	if w := get(t, h, "GET", "/var/storage/b"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("a row that nobody knows: %d", w.Code)
	}
}

// switched is a cluster whose database can be down.
type switched struct {
	gateway.Files
	down bool
}

func (s *switched) Stat(ctx context.Context, path string) (metadata.Row, error) {
	if s.down {
		return metadata.Row{}, databaseDown
	}
	return s.Files.Stat(ctx, path)
}
