package cluster_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// site returns settings of a small cluster in a directory of its own. A real
// program gets them from settings.Load.
func site() (s settings.Settings, remove func(), err error) {
	s = settings.Defaults()
	if s.Root, err = os.MkdirTemp("", "ezdfs"); err != nil {
		return s, nil, err
	}
	mount := filepath.Join(s.Root, "mount")
	if err := os.Mkdir(mount, 0o777); err != nil {
		return s, nil, err
	}
	s.NFS = map[string]settings.NFS{"nfs": {Name: "nfs", MountPointPath: mount, FileMode: 0o666, DirMode: 0o777}}
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(s.Root, "cluster.db")
	return s, func() { os.RemoveAll(s.Root) }, nil
}

func createTables(ctx context.Context, s settings.Settings) error {
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		return err
	}
	config.Create = true
	store, err := metadata.Open(ctx, config)
	if err != nil {
		return err
	}
	defer store.Close()
	return store.CreateSchema(ctx)
}

func Example() {
	ctx := context.Background()
	s, remove, err := site()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	if err := createTables(ctx, s); err != nil {
		fmt.Println(err)
		return
	}
	c, err := cluster.Open(ctx, s)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	// Store a file, and read a part of it.
	row, err := c.Store(ctx, "var/site/storage/images/hello.txt", strings.NewReader("hello, cluster"),
		cluster.StoreOptions{Scope: "image", ModTime: time.Unix(1_700_000_000, 0)})
	fmt.Println(row.Name, row.Size, row.DataType, err)
	f, err := c.Open(ctx, row.Name, cluster.Range(7, -1))
	if err != nil {
		fmt.Println(err)
		return
	}
	part, err := io.ReadAll(f)
	f.Close()
	fmt.Printf("%s %v\n", part, err)

	// Everything that takes an io/fs.FS can read the cluster.
	names, err := fs.Glob(c.FS(ctx), "var/site/storage/*/*")
	fmt.Println(names, err)

	// An expired file is gone for readers; a purge removes it for good.
	expired, err := c.ExpirePrefix(ctx, "var/site/storage/images/")
	fmt.Println(expired, err)
	exists, err := c.Exists(ctx, row.Name)
	fmt.Println(exists, err)
	for batch, err := range c.PurgeExpired(ctx, cluster.PurgeOptions{}) {
		fmt.Println(len(batch.Removed), err)
	}

	// Output:
	// var/site/storage/images/hello.txt 14 text/plain <nil>
	// cluster <nil>
	// [var/site/storage/images/hello.txt] <nil>
	// 1 <nil>
	// false <nil>
	// 1 <nil>
}

// A page that is slow to make is made once, for all who ask for it.
func ExampleCluster_GetOrGenerate() {
	ctx := context.Background()
	s, remove, err := site()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer remove()
	if err := createTables(ctx, s); err != nil {
		fmt.Println(err)
		return
	}
	c, err := cluster.Open(ctx, s)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	made := 0
	for range 3 {
		entry, err := c.GetOrGenerate(ctx, "var/site/cache/content/site/2-full.cache",
			func(_ context.Context, w io.Writer) error {
				made++
				_, err := fmt.Fprintf(w, "page %d", made)
				return err
			},
			cluster.GenerateOptions{Scope: "viewcache", DataType: "text/html", TTL: time.Hour})
		if err != nil {
			fmt.Println(err)
			return
		}
		text, err := entry.Bytes()
		fmt.Println(entry.Origin, string(text), err)
		if made == 1 && entry.Origin == cluster.Hit {
			c.ExpireTrunk(ctx, "var/site/cache/content/site/2-") // node 2 is published
		}
	}
	// Output:
	// generated page 1 <nil>
	// hit page 1 <nil>
	// generated page 2 <nil>
}
