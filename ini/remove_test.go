package ini

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestRemoveElement: one line goes, and not a byte more.
func TestRemoveElement(t *testing.T) {
	const before = "<?php /* #?ini charset=\"iso-8859-1\"?\r\n[A]\r\nKey[a]=1\r\n# caf\xe9\r\n[B]\r\nKey[a]=2\r\nKey[b]=\xe9\r\n*/ ?>"
	for name, test := range map[string]struct {
		line           int
		group, element string
		gone           string // "" for an error
	}{
		"first group":    {3, "A", "a", "Key[a]=1\r\n"},
		"second group":   {6, "B", "a", "Key[a]=2\r\n"},
		"another byte":   {7, "B", "b", "Key[b]=\xe9\r\n"},
		"another line":   {4, "A", "a", ""},
		"another group":  {6, "A", "a", ""},
		"another key":    {6, "B", "b", ""},
		"beyond the end": {99, "B", "a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, link := filepath.Join(dir, "real.ini"), filepath.Join(dir, "link.ini")
			if err := os.WriteFile(file, []byte(before), 0o640); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, 0o642); err != nil { // whatever the umask
				t.Fatal(err)
			}
			if err := os.Symlink("real.ini", link); err != nil {
				t.Fatal(err)
			}
			err := RemoveElement(Origin{link, test.line}, test.group, "Key", test.element)
			if (err != nil) != (test.gone == "") {
				t.Errorf("returned %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), "link.ini:") {
				t.Errorf("names no line: %v", err)
			}
			after, err := os.ReadFile(file)
			if want := strings.Replace(before, test.gone, "", 1); err != nil || string(after) != want {
				t.Errorf("%q, %v; want %q", after, err, want)
			}
			if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
				t.Errorf("the link is %v, %v", info.Mode(), err)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o642 {
				t.Errorf("the file is %v, %v", info.Mode(), err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

// TestRemoveElementTogether: lines that are removed at the same time are all gone.
func TestRemoveElementTogether(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.ini")
	const lines = 20
	var data strings.Builder
	for i := range lines {
		fmt.Fprintf(&data, "Key[a%d]=1\n", i)
	}
	if err := os.WriteFile(file, []byte(data.String()+"Key[b]=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var removing sync.WaitGroup
	for i := range lines {
		removing.Go(func() {
			for { // others shift the line
				doc, err := ParseFile(file)
				if err != nil {
					t.Error(err)
					return
				}
				entries, _ := doc.Array("", "Key")
				at := slices.IndexFunc(entries, func(e Entry) bool { return e.Key == fmt.Sprint("a", i) })
				if RemoveElement(entries[at].Origin, "", "Key", entries[at].Key) == nil {
					return
				}
			}
		})
	}
	removing.Wait()
	if after, err := os.ReadFile(file); err != nil || string(after) != "Key[b]=1\n" {
		t.Errorf("%q, %v", after, err)
	}
}

// TestRemoveElementKeepsTheOwner, which takes root.
func TestRemoveElementKeepsTheOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("files cannot be given away without being root")
	}
	file := filepath.Join(t.TempDir(), "a.ini")
	if err := os.WriteFile(file, []byte("Key[a]=1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(file, 65534, 12345); err != nil {
		t.Fatal(err)
	}
	if err := RemoveElement(Origin{file, 1}, "", "Key", "a"); err != nil {
		t.Fatal(err)
	}
	if owner := ownerOf(t, file); owner != [2]uint32{65534, 12345} {
		t.Errorf("the owner is %v now", owner)
	}
}

func ownerOf(t *testing.T, file string) [2]uint32 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return [2]uint32{stat.Uid, stat.Gid}
}
