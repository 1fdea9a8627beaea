package migrate

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// TestDeleteSourceIntoTrash: what only the source has of an expired file, or
// without a row, goes into a trash where there is one.
func TestDeleteSourceIntoTrash(t *testing.T) {
	for name, test := range map[string]struct {
		trash []string // backends
		want  map[string]string
	}{
		"of none":       {nil, map[string]string{}},
		"of the source": {[]string{"nfs"}, map[string]string{"expired": "nfs", "orphan": "nfs"}},
		"of the target": {[]string{"nfs:new"}, map[string]string{"expired": "nfs:new"}},
		"of both":       {[]string{"nfs", "nfs:new"}, map[string]string{"expired": "nfs", "orphan": "nfs"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, false, "nfs:new")
			for _, backend := range test.trash {
				tree := s.NFS[backend]
				tree.Trash = "trash"
				s.NFS[backend] = tree
			}
			before := s.host(t, "nfs", "")
			for _, name := range []string{"live", "expired"} {
				store(t, before, prefix+"/"+name, name)
			}
			if _, err := before.Expire(t.Context(), prefix+"/expired"); err != nil {
				t.Fatal(err)
			}
			putOrphan(t, before, prefix+"/orphan", "orphan")
			c := s.host(t, "nfs:new", "nfs")
			if _, err := move(t, c, "nfs", "nfs:new", Options{}).Copy(t.Context()); err != nil {
				t.Fatal(err)
			}
			m := move(t, c, "nfs", "nfs:new", Options{})
			young, err := m.DeleteSource(t.Context())
			if err != nil || young.Deleted != 2 || young.Kept != 1 || young.Failed != 0 {
				t.Errorf("deleted: %+v, %v", young, err)
			}
			m.grace = -time.Hour
			old, err := m.DeleteSource(t.Context())
			if err != nil || old.Deleted != 1 || old.Kept != 0 || old.Failed != 0 {
				t.Errorf("deleted, when it was old: %+v, %v", old, err)
			}
			if left := held(t, s.backend(t, "nfs")); len(left) > 0 {
				t.Errorf("the old store holds %v", left)
			}
			wantBody(t, c, prefix+"/live", "live")
			got := 0
			for entry, err := range c.Trash(t.Context(), metadata.TrashFilter{}) {
				if err != nil {
					t.Fatal(err)
				}
				got++
				if want := test.want[filepath.Base(entry.Name)]; entry.Backend != want {
					t.Errorf("%s is in the trash of %s, want %q", entry.Name, entry.Backend, want)
				}
				if _, err := c.Restore(t.Context(), entry); err != nil {
					t.Error(err)
				}
				wantBody(t, c, entry.Name, filepath.Base(entry.Name))
			}
			if got != len(test.want) {
				t.Errorf("%d in the trash", got)
			}
		})
	}
}

// putOrphan stores a body past the cluster.
func putOrphan(t *testing.T, c *cluster.Cluster, path, body string) {
	t.Helper()
	staged, err := c.Stores().Stage(t.Context(), path, strings.NewReader(body), backends.Attributes{Size: -1})
	if err == nil {
		err = staged.Publish(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}
