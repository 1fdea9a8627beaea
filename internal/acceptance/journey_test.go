package acceptance

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestJourney: clusterize, look at the rows, read everything back, copy and
// move between all stores, remove, purge: in the end neither row nor body.
func TestJourney(t *testing.T) {
	s := newSite(t)
	s.populate(t)
	s.run(t, "schema", "create")
	s.run(t, "schema", "check")

	s.run(t, "clusterize", "var")
	s.checkRows(t)
	again := s.run(t, "--json", "clusterize", "var")
	if want := fmt.Sprintf(`"skipped":%d`, len(s.sums)); !strings.Contains(again, want) {
		t.Errorf("a second clusterize says %s, want %s", again, want)
	}
	s.checkGets(t)
	s.checkTransfers(t)
	s.checkUnclusterize(t)

	s.run(t, "rm", "-r", "var/site")
	if out := s.run(t, "ls"); out != "" {
		t.Errorf("after rm there are still %.300s", out)
	}
	s.run(t, "purge", "--scopes", "all", "--expiry", "0", "--iteration-sleep", "0", "--iteration-limit", "1000")
	for _, table := range []string{"ezdfsfile", "ezdfsfile_cache"} {
		var n int
		if err := s.db.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s holds %d rows, %v", table, n, err)
		}
	}
	if left := s.left(t); len(left) > 0 {
		t.Errorf("%d bodies are left, such as %q", len(left), left[:min(len(left), 5)])
	}
}

// checkRows holds every row against the contract, read with plain SQL as PHP
// does.
func (s *site) checkRows(t *testing.T) {
	t.Helper()
	rows, err := s.db.Query("SELECT name, name_trunk, name_hash, datatype, scope, size, mtime, expired FROM ezdfsfile")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := 0
	for rows.Next() {
		var name, trunk, hash, datatype, scope string
		var size, mtime, expired int64
		if err := rows.Scan(&name, &trunk, &hash, &datatype, &scope, &size, &mtime, &expired); err != nil {
			t.Fatal(err)
		}
		seen++
		sum := md5.Sum([]byte(name))
		wantScope := map[string]string{images: "image", originals: "binaryfile", elsewhere: "UNKNOWN_SCOPE"}[strings.Join(strings.Split(name, "/")[:4], "/")]
		if trunk != name || hash != hex.EncodeToString(sum[:]) || scope != wantScope || datatype == "" ||
			size != s.sizes[name] || mtime != s.mtimes[name] || expired != 0 {
			t.Errorf("row %q %q %q %q %q %d %d %d", name, trunk, hash, datatype, scope, size, mtime, expired)
		}
	}
	if err := rows.Err(); err != nil || seen != len(s.sums) {
		t.Errorf("%d rows, %v, want %d", seen, err, len(s.sums))
	}
}

// checkGets fetches files by a process each: every one where the environment
// asks for all, else one in twenty and all large ones.
func (s *site) checkGets(t *testing.T) {
	t.Helper()
	every := 20
	if os.Getenv("DFS_TEST_LARGE") != "" {
		every = 1
	}
	local := filepath.Join(t.TempDir(), "got")
	for i, path := range slices.Sorted(maps.Keys(s.sums)) {
		if i%every != 0 && s.sizes[path] < 1<<20 {
			continue
		}
		s.run(t, "get", path, local)
		if s.sum(t, local) != s.sums[path] {
			t.Errorf("get %q: other bytes", path)
		}
	}
}

// checkTransfers copies and moves a file between all nine pairs of stores.
func (s *site) checkTransfers(t *testing.T) {
	t.Helper()
	parts := []string{images, originals, elsewhere}
	local := filepath.Join(t.TempDir(), "got")
	check := func(path string, want [32]byte) {
		s.run(t, "get", path, local)
		if s.sum(t, local) != want {
			t.Errorf("%q: other bytes", path)
		}
	}
	for _, from := range parts {
		for _, to := range parts {
			src, copied, moved := from+"/large.bin", to+"/copied from.bin", to+"/moved+from.bin"
			want := s.sums[src]
			s.run(t, "cp", src, copied)
			check(copied, want)
			s.run(t, "mv", copied, moved)
			check(moved, want)
			s.run(t, "mv", moved, src) // home again
			check(src, want)
		}
	}
}

// checkUnclusterize removes the local files and brings all back.
func (s *site) checkUnclusterize(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(s.root, "var")); err != nil {
		t.Fatal(err)
	}
	s.run(t, "unclusterize", "var/site")
	for path, want := range s.sums {
		file := filepath.Join(s.root, path)
		if s.sum(t, file) != want {
			t.Errorf("%q came back with other bytes", path)
		}
		if info, err := os.Stat(file); err == nil && info.ModTime().Unix() != s.mtimes[path] {
			t.Errorf("%q came back with the time %v", path, info.ModTime())
		}
	}
}
