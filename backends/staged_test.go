package backends_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
)

func TestValidPath(t *testing.T) {
	for _, path := range backendtest.OddNames() {
		if !backends.ValidPath(path) {
			t.Errorf("ValidPath(%q) = false", path)
		}
	}
	for _, path := range backendtest.InvalidPaths() {
		if backends.ValidPath(path) {
			t.Errorf("ValidPath(%q) = true", path)
		}
	}
}

func FuzzValidPath(f *testing.F) {
	for _, path := range append(backendtest.OddNames(), backendtest.InvalidPaths()...) {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if !backends.ValidPath(path) {
			return
		}
		for segment := range strings.SplitSeq(path, "/") {
			if segment == "" || segment == "." || segment == ".." || strings.ContainsRune(segment, 0) || strings.HasPrefix(segment, backends.StagedPrefix) {
				t.Errorf("ValidPath(%q) = true in spite of segment %q", path, segment)
			}
		}
	})
}

func TestIsStagedPath(t *testing.T) {
	for path, want := range map[string]bool{
		"ezfile-tmp.": true, "ezfile-tmp.x": true, "a/ezfile-tmp.x": true, "a/ezfile-tmp.x/b": true,
		"ezfile-tmp": false, "a/b.ezfile-tmp.x": false, "xezfile-tmp.x": false, "": false,
	} {
		if got := backends.IsStagedPath(path); got != want {
			t.Errorf("IsStagedPath(%q) = %v", path, got)
		}
	}
}

func TestStagedName(t *testing.T) {
	before := time.Now().Truncate(time.Second)
	seen := map[string]bool{}
	for range 100 {
		name := backends.NewStagedName()
		if seen[name] || !backends.IsStagedPath(name) || strings.Contains(name, "/") || len(name) > 255 {
			t.Fatalf("NewStagedName() = %q", name)
		}
		seen[name] = true
		staged, ok := backends.ParseStagedName(name)
		if !ok || staged.PID != os.Getpid() || staged.Time.Before(before) || staged.Time.After(time.Now()) {
			t.Errorf("ParseStagedName(%q) = %+v, %v", name, staged, ok)
		}
	}
}

func TestParseStagedName(t *testing.T) {
	got, ok := backends.ParseStagedName("ezfile-tmp.1700000000-42-00ff00ff00ff00ff-web-1.example.org")
	if want := (backends.StagedName{Time: time.Unix(1700000000, 0), PID: 42, Host: "web-1.example.org"}); !ok || got != want {
		t.Errorf("ParseStagedName = %+v, %v, want %+v", got, ok, want)
	}
	for _, name := range []string{
		"", "file", "ezfile-tmp.", "ezfile-tmp.0123456789abcdef0123456789abcdef", "ezfile-tmp.1-2-3", "ezfile-tmp.x-2-3-h", "ezfile-tmp.1-x-3-h",
	} {
		if got, ok := backends.ParseStagedName(name); ok {
			t.Errorf("ParseStagedName(%q) = %+v", name, got)
		}
	}
}
