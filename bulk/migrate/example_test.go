package migrate_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"example.com/ezdfs/bulk/migrate"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// site returns settings of a small cluster in a directory, with two trees. A real
// program gets them from settings.Load.
func site(ctx context.Context, root string) (s settings.Settings, err error) {
	s = settings.Defaults()
	s.Root, s.NFS = root, map[string]settings.NFS{}
	for _, name := range []string{"nfs", "nfs:new"} {
		mount := filepath.Join(root, name)
		if err := os.Mkdir(mount, 0o777); err != nil {
			return s, err
		}
		s.NFS[name] = settings.NFS{Name: name, MountPointPath: mount, FileMode: 0o666, DirMode: 0o777}
	}
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(root, "cluster.db")
	s.DFS.DFSBackend, s.Dispatch.DefaultBackend = "dispatcher", "nfs"
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		return s, err
	}
	config.Create = true
	store, err := metadata.Open(ctx, config)
	if err != nil {
		return s, err
	}
	defer store.Close()
	return s, store.CreateSchema(ctx)
}

func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// copied 1, failed 0
	// verified 1, failed 0
	// deleted 1
	// nfs:new still reads hello
}

func example(ctx context.Context) error {
	root, err := os.MkdirTemp("", "ezdfs")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	s, err := site(ctx, root)
	if err != nil {
		return err
	}
	c, err := cluster.Open(ctx, s)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Store(ctx, "var/images/a.txt", bytes.NewReader([]byte("hello")), cluster.StoreOptions{}); err != nil {
		return err
	}

	// The two lines that the administrator writes.
	s.Dispatch.PathBackends = []settings.Rule{{Prefix: "var/images", Backend: "nfs:new"}}
	s.Dispatch.MigrateFrom = []settings.Rule{{Prefix: "var/images", Backend: "nfs"}}
	c, err = cluster.Open(ctx, s)
	if err != nil {
		return err
	}
	defer c.Close()
	m, err := migrate.New(c, "var/images", "nfs", "nfs:new", migrate.Options{})
	if err != nil {
		return err
	}
	counts, err := m.Copy(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("copied %d, failed %d\n", counts.Copied, counts.Failed)
	if counts, err = m.Verify(ctx); err != nil {
		return err
	}
	fmt.Printf("verified %d, failed %d\n", counts.Present, counts.Failed)
	deleted, err := m.DeleteSource(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("deleted %d\n", deleted.Deleted)
	body, err := c.ReadFile(ctx, "var/images/a.txt")
	fmt.Printf("%s still reads %s\n", c.Backend("var/images/a.txt"), body)
	return err
}
