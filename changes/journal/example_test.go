package journal_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/journal"
	"example.com/ezdfs/metadata"
)

// A script that handles each change once, and goes on later where it was.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ezdfs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := metadata.Open(ctx, metadata.Config{
		Engine: metadata.SQLite, Name: filepath.Join(dir, "cluster.sqlite"), Create: true,
	})
	if err != nil {
		panic(err)
	}
	if err := store.CreateSchema(ctx); err != nil {
		panic(err)
	}
	source, err := journal.Open(ctx, store, journal.Options{CloseStore: true})
	if err != nil {
		panic(err)
	}
	defer source.Close()

	position := changes.Oldest
	catchUp := func() {
		for change, err := range source.Changes(ctx, position, false) {
			if err != nil {
				panic(err)
			}
			fmt.Println(change.Kind, change.Subject)
			position = change.Position // to be kept with what was derived from it
		}
	}
	store.ExpirePrefix(ctx, "var/site/cache/")
	catchUp()
	store.ExpireTrunk(ctx, "var/site/cache/content/2-")
	catchUp()
	fmt.Println(position)
	// Output:
	// expire-prefix var/site/cache/
	// expire-trunk var/site/cache/content/2-
	// journal:3
}
