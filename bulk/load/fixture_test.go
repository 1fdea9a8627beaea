package load_test

import (
	"path/filepath"
	"testing"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// openCluster returns an empty cluster on a directory and SQLite.
func openCluster(t *testing.T) *cluster.Cluster { return openWithTrash(t, "") }

// openWithTrash returns one whose directory has a trash.
func openWithTrash(t *testing.T, trash string) *cluster.Cluster {
	t.Helper()
	s := settings.Defaults()
	s.Root = t.TempDir()
	s.NFS = map[string]settings.NFS{"nfs": {Name: "nfs", MountPointPath: t.TempDir(), FileMode: 0o666, DirMode: 0o777, Trash: trash}}
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(s.Root, "cluster.db")
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	config.Create = true
	store, err := metadata.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
