package localcache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRefusedDirectories(t *testing.T) {
	site := t.TempDir()
	mount := filepath.Join(site, "mount")
	writeFile(t, filepath.Join(mount, "var/a"), "a body")
	writeFile(t, filepath.Join(site, "foreign/00/0/00000000000000000000000000000000"), "looks like ours")
	writeFile(t, filepath.Join(site, "other", tagName), tagSignature+"# of a browser\n")
	writeFile(t, filepath.Join(site, "later", tagName), strings.Replace(tagText, "format 1", "format 2", 1))
	if err := os.Symlink(mount, filepath.Join(site, "link")); err != nil {
		t.Fatal(err)
	}
	for dir, reason := range map[string]string{
		".":            "site root",
		"..":           "site root",
		"mount":        "mounted tree",
		"mount/copies": "mounted tree",
		"link/copies":  "mounted tree",
		"foreign":      "not empty",
		"other":        "another program",
		"later":        "another version",
	} {
		_, err := Open(Options{Dir: filepath.Join(site, dir), MaxSize: 1, Root: site, Mounts: []string{mount, "/nonexistent"}})
		var wrong *DirError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, want a DirError that says %q", dir, err, reason)
		}
	}
	for _, path := range []string{"mount/var/a", "foreign/00/0/00000000000000000000000000000000"} {
		if _, err := os.Stat(filepath.Join(site, path)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(mount, "copies")); err == nil {
		t.Error("a directory was made in the mount")
	}
}

func TestAcceptedDirectories(t *testing.T) {
	site := t.TempDir()
	t.Chdir(site) // an instance without a mount is not the current directory
	for _, dir := range []string{"empty", "volume/lost+found"} {
		if err := os.MkdirAll(filepath.Join(site, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(site, "half", tagName+".XYZ"), "Sig")
	for _, dir := range []string{"new/and/deep", "empty", "volume", "half", "mount-not"} {
		for range 2 { // the second time it is marked
			c, err := Open(Options{Dir: filepath.Join(site, dir), MaxSize: 1 << 20, Root: site, Mounts: []string{filepath.Join(site, "mount"), ""}})
			if err != nil {
				t.Errorf("%s: %v", dir, err)
				continue
			}
			c.Close()
		}
		tag, err := os.ReadFile(filepath.Join(site, dir, tagName))
		if err != nil || !strings.HasPrefix(string(tag), "Signature: 8a477f597d28d172789f06886806bc55") {
			t.Errorf("%s: tag %q, %v", dir, tag, err)
		}
	}
}

// TestOpenedAtOnce: the first use of a directory by many processes.
func TestOpenedAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "copies")
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			if err := claim(dir); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v, want the tag and tmp alone", entries, err)
	}
}

// TestStrangersStay: what somebody puts into our directory is not ours to
// remove.
func TestStrangersStay(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	o.MaxSize = 40 << 10
	open(t, o)
	strangers := []string{"README", "00/README", "00/0/README", "00/0/ffffffffffffffffffffffffffffffff", "zz/0/" + strings.Repeat("0", 32)}
	for _, path := range strangers {
		writeFile(t, filepath.Join(o.Dir, path), "mine")
	}
	c := open(t, o)
	for _, name := range strings.Fields("a b c d e f g h i j k l m") {
		put(t, c, rowOf(name, "body", now.Now()), "body")
	}
	c.disk.scan()
	c.disk.evict(0, 0)
	if s := c.Stats(); s.Files != 0 || s.Evicted == 0 {
		t.Errorf("%+v, want everything evicted", s)
	}
	for _, path := range strangers {
		if _, err := os.Stat(filepath.Join(o.Dir, path)); err != nil {
			t.Error(err)
		}
	}
}

// TestRootGivesAway: what a command of root leaves is of use to the owner of
// the directory.
func TestRootGivesAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	now := newClock()
	o := onDisk(t, now)
	if err := errors.Join(os.Mkdir(o.Dir, 0o700), os.Chown(o.Dir, 1234, 5678)); err != nil {
		t.Fatal(err)
	}
	c := open(t, o)
	put(t, c, rowOf("var/a", kilo, now.Now()), kilo)
	put(t, c, rowOf("var/b", large("b"), now.Now()), large("b"))
	err := filepath.WalkDir(o.Dir, func(path string, _ fs.DirEntry, err error) error {
		if st, statErr := lstat(path); err != nil || statErr != nil || st.Uid != 1234 || st.Gid != 5678 {
			t.Errorf("%s is of %d:%d, %v", path, st.Uid, st.Gid, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
