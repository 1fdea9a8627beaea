package rowcache_test

import (
	"context"
	"fmt"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/events/rowcache"
	"example.com/ezdfs/metadata"
)

// The second of two loads is answered from memory, until the path changes.
func Example() {
	ctx := context.Background()
	cache := rowcache.New(rowcache.Options{TTL: time.Minute, NegativeTTL: 5 * time.Second})
	hub := events.New([]events.Listener{cache}, events.Options{})
	defer hub.Close(ctx)

	const name = "var/site/storage/images/a.png"
	load := func() {
		row, err := hub.Load(ctx, name, func(context.Context) (metadata.Row, error) {
			fmt.Println("asking the database")
			return metadata.Row{Name: name, Size: 120, MTime: 1_700_000_000}, nil
		})
		fmt.Println(row.Size, err)
	}
	load()
	load()
	hub.Publish(events.Event{Kind: events.DeleteFile, Subject: name})
	load()
	fmt.Printf("%+v\n", cache.Stats())
	// Output:
	// asking the database
	// 120 <nil>
	// 120 <nil>
	// asking the database
	// 120 <nil>
	// {Hits:1 Misses:2 Size:1}
}

// While the database is down a gateway can go on with what was read a moment
// ago.
func ExampleCache_Stale() {
	now := time.Unix(1_700_000_000, 0)
	cache := rowcache.New(rowcache.Options{
		TTL: time.Second, StaleIfError: time.Hour,
		Now: func() time.Time { return now },
	})
	cache.NotifyInline(events.Event{Kind: events.StoreMetadata, Row: metadata.Row{Name: "var/a", Size: 7}, Time: now})
	now = now.Add(time.Minute)
	answer, age, ok := cache.Stale("var/a")
	fmt.Println(answer.Row.Size, age, ok)
	// Output: 7 1m0s true
}
