package metadata_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/ezdfs/metadata"
)

// A store in a file: tables, one row, its expiry.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ezdfs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := metadata.Open(ctx, metadata.Config{
		Engine: metadata.SQLite, Name: filepath.Join(dir, "cluster.sqlite"), Create: true,
		ExecuteRetries: 20,
		Layout:         metadata.Layout{VarDir: "var/site", CacheDir: "cache", StorageDir: "storage", CacheTable: "ezdfsfile_cache"},
	})
	if err != nil {
		panic(err)
	}
	defer store.Close()
	if err := store.CreateSchema(ctx); err != nil {
		panic(err)
	}

	const name = "var/site/cache/content/2-full.cache"
	err = store.Update(ctx, func(tx *metadata.Tx) error {
		return tx.Upsert(metadata.Row{
			Name: name, Trunk: store.Layout().Trunk(name, "viewcache"),
			DataType: "text/html", Scope: "viewcache", Size: 120, MTime: 1_700_000_000,
		})
	})
	if err != nil {
		panic(err)
	}
	n, err := store.ExpireTrunk(ctx, "var/site/cache/content/2-")
	fmt.Println(n, err)

	row, err := store.Get(ctx, name)
	fmt.Println(row.Table, row.Live(), row.ModTime().Unix(), err)
	_, err = store.Get(ctx, "var/site/storage/none.png")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// 1 <nil>
	// ezdfsfile_cache false 1700000000 <nil>
	// true
}

// A listing resumes after the hash of the last row that was dealt with.
func ExampleStore_Rows() {
	list := func(ctx context.Context, store *metadata.Store, checkpoint string) (string, error) {
		filter := metadata.Filter{Prefix: "var/site/storage/", After: checkpoint, Replica: true}
		for row, err := range store.Rows(ctx, filter) {
			if err != nil {
				return checkpoint, err
			}
			fmt.Println(row.Name, row.Size)
			checkpoint = row.Hash()
		}
		return checkpoint, nil
	}
	_ = list
}
