package binlog_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/binlog"
	"example.com/ezdfs/metadata"
)

func ExampleOpen() {
	ctx := context.Background()
	source, err := binlog.Open(ctx, metadata.Config{
		Engine: metadata.MySQL, Host: "db.example.com", Name: "cluster", User: "replication",
		Layout: metadata.Layout{CacheTable: "ezdfsfile_cache"},
	})
	var unavailable *binlog.UnavailableError
	if errors.As(err, &unavailable) {
		log.Fatal("no binary log: ", unavailable.Reason, "; ", unavailable.Fix)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer source.Close()
	for change, err := range source.Changes(ctx, changes.Newest, true) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(change.Kind, change.Subject, change.Position)
	}
}

func ExampleUnavailableError() {
	_, err := binlog.Open(context.Background(), metadata.Config{Engine: metadata.SQLite, Name: "cluster.db"})
	fmt.Println(errors.Is(err, changes.ErrUnavailable))
	fmt.Println(err)
	// Output:
	// true
	// binlog: not available: SQLite has no binary log; use the journal, or DBBackend=MySQL
}
