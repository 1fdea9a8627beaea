package check_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/ezdfs/bulk/check"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// A cluster on a directory and SQLite loses a body, and a check expires its row.
func ExampleRun() {
	ctx := context.Background()
	s, done := exampleSite(ctx)
	defer done()
	c, err := cluster.Open(ctx, s)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, name := range []string{"var/site/storage/a.txt", "var/site/storage/b.txt"} {
		if _, err := c.Store(ctx, name, strings.NewReader("hello"), cluster.StoreOptions{}); err != nil {
			log.Fatal(err)
		}
	}
	os.Remove(filepath.Join(s.DFS.MountPointPath, "var/site/storage/b.txt"))

	stores, closeStores := check.Stores(ctx, c, s, slog.New(slog.DiscardHandler))
	defer closeStores()
	summary, err := check.Run(ctx, c, check.Options{
		Stores: stores, Grace: time.Hour, Delete: true,
		Found: func(f check.Finding) error {
			fmt.Println(f.Kind, f.Name, "on", f.Backend, f.Action)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(summary.Rows, "rows,", summary.Bodies, "body, clean now:", summary.Clean())
	// Output:
	// missing-body var/site/storage/b.txt on nfs deleted
	// 2 rows, 1 body, clean now: true
}

// exampleSite makes an empty site.
func exampleSite(ctx context.Context) (s settings.Settings, done func()) {
	root, err := os.MkdirTemp("", "check")
	if err != nil {
		log.Fatal(err)
	}
	s = settings.Defaults()
	s.Root = root
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(root, "cluster.db")
	s.DFS.MountPointPath = filepath.Join(root, "mount")
	s.NFS = map[string]settings.NFS{"nfs": {Name: "nfs", MountPointPath: s.DFS.MountPointPath}}
	if err := os.Mkdir(s.DFS.MountPointPath, 0o777); err != nil {
		log.Fatal(err)
	}
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		log.Fatal(err)
	}
	config.Create = true
	store, err := metadata.Open(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateSchema(ctx); err != nil {
		log.Fatal(err)
	}
	return s, func() { os.RemoveAll(root) }
}
