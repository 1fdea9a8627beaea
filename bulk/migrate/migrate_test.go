package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// TestMigration takes a prefix from one store to another, and nothing else.
func TestMigration(t *testing.T) {
	for _, test := range []struct {
		name      string
		onMariaDB bool
		target    string
	}{{"sqlite/nfs", false, "nfs:new"}, {"mariadb/s3", true, "s3"}} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, test.onMariaDB, test.target)
			before := s.host(t, "nfs", "")
			bodies := map[string]string{
				prefix + "/empty":            "",
				prefix + "/large":            strings.Repeat("large ", 1<<20),
				prefix + "-versioned/a ä+%b": "a string prefix",
			}
			for i := range 60 {
				bodies[fmt.Sprintf("%s/%d/%d.png", prefix, i/20, i)] = fmt.Sprint("body ", i)
			}
			for path, body := range bodies {
				store(t, before, path, body)
			}
			store(t, before, "var/site/storage/other", "stays")
			store(t, before, prefix+"/expired", "stays, too")
			if _, err := before.Expire(t.Context(), prefix+"/expired"); err != nil {
				t.Fatal(err)
			}

			c := s.host(t, test.target, "nfs")
			progress := new(bulk.Progress)
			counts, err := move(t, c, "nfs", test.target, Options{Progress: progress}).Copy(t.Context())
			n := int64(len(bodies))
			if err != nil || counts.Copied != n || counts.Total() != n || progress.Snapshot().Done != n {
				t.Fatalf("%+v, %v; progress %+v", counts, err, progress.Snapshot())
			}
			target := s.backend(t, test.target)
			for path, body := range bodies {
				wantBody(t, c, path, body)
				info, err := target.Stat(t.Context(), path)
				if err != nil || info.ModTime.Unix() != 1_300_000_000 || test.target == "s3" && info.ContentType != "image/png" {
					t.Errorf("%s on the target: %+v, %v", path, info, err)
				}
			}
			// Another pass finds everything there.
			if counts, err = move(t, c, "nfs", test.target, Options{}).Copy(t.Context()); err != nil || counts.Present != n || counts.Total() != n {
				t.Errorf("the second pass: %+v, %v", counts, err)
			}
			if counts, err = move(t, c, "nfs", test.target, Options{VerifyContents: true}).Verify(t.Context()); err != nil || counts.Present != n || counts.Total() != n {
				t.Errorf("verified: %+v, %v", counts, err)
			}
			wantState(t, c, metadata.MigrationFinished)
			deleted, err := move(t, c, "nfs", test.target, Options{}).DeleteSource(t.Context())
			if err != nil || deleted.Deleted != n+1 || deleted.Kept+deleted.Failed != 0 {
				t.Errorf("deleted: %+v, %v", deleted, err)
			}
			if left := slices.Sorted(maps.Keys(held(t, s.backend(t, "nfs")))); !slices.Equal(left, []string{"var/site/storage/other"}) {
				t.Errorf("the old store holds %q", left)
			}
			after := s.host(t, test.target, "")
			for path, body := range bodies {
				wantBody(t, after, path, body)
			}
		})
	}
}

func wantState(t *testing.T, c *cluster.Cluster, want metadata.MigrationState) {
	t.Helper()
	list, err := c.Metadata().Migrations(t.Context())
	at := slices.IndexFunc(list, func(m metadata.Migration) bool { return m.Kind == metadata.MigrationCopy })
	if err != nil || at < 0 || list[at].State != want {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestWrittenWhileItIsCopied: between the staging of a copy and its publication
// the file is stored anew, expired, or purged.
func TestWrittenWhileItIsCopied(t *testing.T) {
	for _, target := range []string{"nfs:new", "s3"} {
		t.Run(target, func(t *testing.T) {
			s := newSite(t, true, target)
			before := s.host(t, "nfs", "")
			paths := []string{"stored", "same-size", "by-old-rules", "expired", "purged"}
			for _, name := range paths {
				store(t, before, prefix+"/"+name, "old "+name)
			}
			writer := s.host(t, target, "nfs")
			m := &meddler{staged: map[string]func(){
				prefix + "/stored":       func() { store(t, writer, prefix+"/stored", "a newer body") },
				prefix + "/same-size":    func() { store(t, writer, prefix+"/same-size", "new same-size") },
				prefix + "/by-old-rules": func() { store(t, before, prefix+"/by-old-rules", "newer by old rules") },
				prefix + "/expired": func() {
					if _, err := writer.Expire(t.Context(), prefix+"/expired"); err != nil {
						t.Error(err)
					}
				},
				prefix + "/purged": func() {
					if _, err := writer.Purge(t.Context(), prefix+"/purged"); err != nil {
						t.Error(err)
					}
				},
			}}
			c := s.host(t, target, "nfs", meddling(target, m))
			counts, err := move(t, c, "nfs", target, Options{}).Copy(t.Context())
			if err != nil || counts.Copied != 1 || counts.Present != 2 || counts.Gone != 2 || counts.Total() != 5 {
				t.Errorf("%+v, %v", counts, err)
			}
			for path, want := range map[string]string{"stored": "a newer body", "same-size": "new same-size", "by-old-rules": "newer by old rules"} {
				wantBody(t, c, prefix+"/"+path, want)
			}
			if got := slices.Sorted(maps.Keys(held(t, s.backend(t, target)))); len(got) != 3 {
				t.Errorf("the target holds %q", got)
			}
			if len(m.staged) != 0 {
				t.Errorf("not all was meddled with: %d left", len(m.staged))
			}
		})
	}
}

// TestInterrupted: what one process has begun another goes on with, and each file
// is counted once.
func TestInterrupted(t *testing.T) {
	s := newSite(t, true, "nfs:new")
	before := s.host(t, "nfs", "")
	const n = 120
	for i := range n {
		store(t, before, fmt.Sprint(prefix, "/", i), fmt.Sprint("body ", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m := &meddler{staged: map[string]func(){prefix + "/57": cancel}}
	first := s.host(t, "nfs:new", "nfs", meddling("nfs:new", m))
	counts, err := move(t, first, "nfs", "nfs:new", Options{Limits: bulk.Limits{Workers: 2}}).Copy(ctx)
	if !errors.Is(err, context.Canceled) || counts.Total() >= n {
		t.Fatalf("%+v, %v", counts, err)
	}
	list, err := first.Metadata().Migrations(t.Context())
	if err != nil || slices.ContainsFunc(list[0].Ranges, func(r metadata.MigrationRange) bool { return r.Leased }) {
		t.Errorf("a range is still leased: %v", err)
	}
	second := s.host(t, "nfs:new", "nfs")
	progress := new(bulk.Progress)
	counts, err = move(t, second, "nfs", "nfs:new", Options{Progress: progress}).Copy(t.Context())
	if err != nil || counts.Total() != n || counts.Copied+counts.Present != n || progress.Snapshot().Done == n {
		t.Errorf("%+v, %v; in the second run %d", counts, err, progress.Snapshot().Done)
	}
	if got := held(t, s.backend(t, "nfs:new")); len(got) != n {
		t.Errorf("the target holds %d bodies", len(got))
	}
}

// TestAhead copies to a store that no rule names, beside a PHP that does not know
// of it, and turns the rules round.
func TestAhead(t *testing.T) {
	for _, target := range []string{"nfs:new", "s3"} {
		t.Run(target, func(t *testing.T) {
			s := newSite(t, false, target)
			c := s.host(t, "nfs", target)
			for i := range 10 {
				store(t, c, fmt.Sprint(prefix, "/", i), fmt.Sprint("body ", i))
			}
			options := Options{Ahead: true}
			counts, err := move(t, c, "nfs", target, options).Copy(t.Context())
			if err != nil || counts.Copied != 10 || counts.Total() != 10 {
				t.Fatalf("%+v, %v", counts, err)
			}
			// Ours removes what it makes out of date, PHP does not.
			store(t, c, prefix+"/0", "ours")
			if _, err := s.backend(t, target).Stat(t.Context(), prefix+"/0"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("an outdated copy: %v", err)
			}
			phpStore(t, s, prefix+"/1", "php")
			phpStore(t, s, prefix+"/2", "php  2") // of the same length
			if counts, err = move(t, c, "nfs", target, options).Copy(t.Context()); err != nil || counts.Copied != 3 || counts.Present != 7 {
				t.Errorf("the second pass: %+v, %v", counts, err)
			}
			if _, err := move(t, c, "nfs", target, options).Verify(t.Context()); !errors.Is(err, ErrAhead) {
				t.Errorf("verified ahead: %v", err)
			}
			if _, err := move(t, c, "nfs", target, options).DeleteSource(t.Context()); !errors.Is(err, ErrAhead) {
				t.Errorf("deleted ahead: %v", err)
			}
			turned := s.host(t, target, "nfs")
			if counts, err = move(t, turned, "nfs", target, Options{}).Copy(t.Context()); err != nil || counts.Present != 10 || counts.Total() != 10 {
				t.Errorf("after the turn: %+v, %v", counts, err)
			}
			php := s.host(t, target, "")
			for path, want := range map[string]string{"/0": "ours", "/1": "php", "/2": "php  2", "/9": "body 9"} {
				wantBody(t, php, prefix+path, want)
			}
		})
	}
}

// phpStore stores a file as a PHP frontend with the old rules does: it replaces
// the body on the old store and upserts the row.
func phpStore(t *testing.T, s *site, path, body string) {
	t.Helper()
	c := s.host(t, "nfs", "")
	row, err := c.Store(t.Context(), path, bytes.NewReader([]byte(body)), cluster.StoreOptions{Scope: "image", DataType: "image/png"})
	if err != nil || row.Size != int64(len(body)) {
		t.Fatal(row, err)
	}
}

// TestRollback: what was written to the new store goes back before the rules are
// turned round.
func TestRollback(t *testing.T) {
	s := newSite(t, false, "s3")
	before := s.host(t, "nfs", "")
	for i := range 10 {
		store(t, before, fmt.Sprint(prefix, "/", i), fmt.Sprint("body ", i))
	}
	c := s.host(t, "s3", "nfs")
	store(t, c, prefix+"/0", "newer")
	store(t, c, prefix+"/new", "new")
	if _, err := move(t, c, "nfs", "s3", Options{}).Copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	store(t, c, prefix+"/1", "newer")
	// A writer that could not reach the old store has left this there.
	left := filepath.Join(s.NFS["nfs"].MountPointPath, prefix, "1")
	if err := os.MkdirAll(filepath.Dir(left), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("outdated"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(left, time.Time{}, time.Unix(1_200_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	counts, err := move(t, c, "s3", "nfs", Options{Ahead: true}).Copy(t.Context())
	if err != nil || counts.Copied != 3 || counts.Present != 8 || counts.Total() != 11 {
		t.Errorf("back: %+v, %v", counts, err)
	}
	store(t, c, prefix+"/2", "in between")
	turned := s.host(t, "nfs", "s3")
	wantBody(t, turned, prefix+"/2", "in between")
	if counts, err = move(t, turned, "s3", "nfs", Options{}).Copy(t.Context()); err != nil || counts.Copied != 1 || counts.Total() != 11 {
		t.Errorf("after the turn: %+v, %v", counts, err)
	}
	after := s.host(t, "nfs", "")
	for path, want := range map[string]string{"/0": "newer", "/1": "newer", "/2": "in between", "/new": "new", "/9": "body 9"} {
		wantBody(t, after, prefix+path, want)
	}
}

// TestWhatCannotBeCopied is told file by file, and stops nothing.
func TestWhatCannotBeCopied(t *testing.T) {
	s := newSite(t, false, "nfs:new")
	before := s.host(t, "nfs", "")
	for _, name := range []string{"fine", "missing", "conflict", "in-the-way"} {
		store(t, before, prefix+"/"+name, "body of "+name)
	}
	mounts := s.NFS["nfs"].MountPointPath
	if err := os.Remove(filepath.Join(mounts, prefix, "missing")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.NFS["nfs:new"].MountPointPath, prefix)
	if err := os.MkdirAll(filepath.Join(dir, "in-the-way"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "conflict"), []byte("from elsewhere"), 0o666); err != nil {
		t.Fatal(err)
	}
	c := s.host(t, "nfs:new", "nfs")
	progress := new(bulk.Progress)
	counts, err := move(t, c, "nfs", "nfs:new", Options{Progress: progress}).Copy(t.Context())
	if err != nil || counts.Copied != 1 || counts.Failed != 3 || counts.Total() != 4 {
		t.Errorf("%+v, %v", counts, err)
	}
	for name, want := range map[string]string{
		"missing": "live row without a body: neither nfs nor nfs:new has one", "conflict": "nfs:new holds 14 bytes, but the row says 16", "in-the-way": "directory",
	} {
		if err := failures(progress)[prefix+"/"+name]; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	progress = new(bulk.Progress)
	counts, err = move(t, c, "nfs", "nfs:new", Options{Progress: progress}).Verify(t.Context())
	if err != nil || counts.Failed < 2 || failures(progress)[prefix+"/in-the-way"] == nil || failures(progress)[prefix+"/missing"] == nil {
		t.Errorf("verified %+v, %v: %v", counts, err, failures(progress))
	}
	wantState(t, c, metadata.MigrationRunning)
	deleted, err := move(t, c, "nfs", "nfs:new", Options{}).DeleteSource(t.Context())
	if err != nil || deleted.Kept != 1 { // the only body of in-the-way
		t.Errorf("deleted %+v, %v", deleted, err)
	}
}

func TestRulesThatDoNotFit(t *testing.T) {
	s := newSite(t, false, "nfs:new")
	for name, test := range map[string]struct {
		first, second, prefix, from, to string
		ahead                           bool
		want                            string
	}{
		"no fallback":  {"nfs:new", "", prefix, "nfs", "nfs:new", false, "goes to nfs:new with nothing else"},
		"not switched": {"nfs", "nfs:new", prefix, "nfs", "nfs:new", false, "goes to nfs with MigrateFrom[" + prefix + "]=nfs:new"},
		"switched":     {"nfs:new", "nfs", prefix, "nfs", "nfs:new", true, "it takes PathBackends[" + prefix + "]=nfs and MigrateFrom"},
		"elsewhere":    {"nfs:new", "nfs", "var/site/cache", "nfs", "nfs:new", false, "goes to nfs with nothing else"},
		"another":      {"nfs:new", "nfs", prefix, "s3", "nfs:new", false, "to migrate from s3 to nfs:new it takes"},
	} {
		c := s.host(t, test.first, test.second)
		_, err := New(c, test.prefix, test.from, test.to, Options{Ahead: test.ahead})
		var wrong *RouteError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := s.host(t, "nfs:new", "nfs")
	for _, prefix := range []string{"", "/var", "var//site", "../x"} {
		if _, err := New(c, prefix, "nfs", "nfs:new", Options{}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
	m, err := New(c, prefix+"/", "nfs", "nfs:new", Options{})
	if err == nil {
		_, err = m.Copy(t.Context())
	}
	if err != nil {
		t.Errorf("a part of the prefix: %v", err)
	}
}

// failures are those of a progress by path.
func failures(p *bulk.Progress) map[string]error {
	byPath := map[string]error{}
	for _, f := range p.Failures() {
		byPath[f.Path] = f.Err
	}
	return byPath
}
