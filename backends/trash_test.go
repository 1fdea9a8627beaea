package backends_test

import (
	"errors"
	"io/fs"
	"testing"

	"example.com/ezdfs/backends"
)

func TestInTrash(t *testing.T) {
	for _, test := range []struct {
		path, trash string
		want        bool
	}{
		{"trash", "trash", true},
		{"trash/2026-11-21/var/a", "trash", true},
		{"trashed/a", "trash", false},
		{"var/trash/a", "trash", false},
		{"var/a", "", false},
		{"/a", "", false},
		{"a/b/c", "a/b", true},
		{"a/bc", "a/b", false},
	} {
		if got := backends.InTrash(test.path, test.trash); got != test.want {
			t.Errorf("InTrash(%q, %q) = %v", test.path, test.trash, got)
		}
	}
}

func TestCheckVisible(t *testing.T) {
	for path, visible := range map[string]bool{"var/a": true, "trash/a": false, "../a": false} {
		if err := backends.CheckVisible("nfs", "open", path, "trash"); (err == nil) != visible || err != nil && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v", path, err)
		}
	}
	after := backends.AfterTrash("trash")
	for path, later := range map[string]bool{"trash/zzz/\U0001F600": false, "trash/": false, "trash0": true, "var/a": true} {
		if path > after != later {
			t.Errorf("a listing behind the trash yields %q: %v", path, path > after)
		}
	}
}
