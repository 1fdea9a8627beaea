package events_test

import (
	"context"
	"fmt"
	"io/fs"

	"example.com/ezdfs/events"
	"example.com/ezdfs/metadata"
)

// printer is a listener that has to be told nothing but deletions.
type printer struct{}

func (printer) Name() string { return "printer" }

func (printer) Notify(_ context.Context, batch []events.Event) error {
	for _, e := range batch {
		if e.Kind != events.StoreMetadata {
			fmt.Println(e.Seq, e.LegacyName(), e.Subject)
		}
	}
	return nil
}

func (printer) Close() error { return nil }

// A hub tells its listeners in the background; Close waits for them.
func Example() {
	ctx := context.Background()
	hub := events.New([]events.Listener{printer{}}, events.Options{QueueSize: 1000})
	hub.Publish(events.Event{Kind: events.DeleteFile, Subject: "var/site/storage/a.png"})
	hub.Publish(events.Event{Kind: events.DeleteByNametrunk, Subject: "var/site/cache/content/2-"})
	if err := hub.Close(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(hub.Stats()[0].Delivered, "delivered")
	// Output:
	// 1 cluster/deleteFile var/site/storage/a.png
	// 2 cluster/deleteByNametrunk var/site/cache/content/2-
	// 2 delivered
}

// memory answers for the database.
type memory struct {
	printer
	rows map[string]metadata.Row
}

func (m memory) LoadMetadata(_ context.Context, name string) (events.Answer, error) {
	row, known := m.rows[name]
	return events.Answer{Known: known, Exists: known, Row: row}, nil
}

// What no filter knows, the database is asked.
func ExampleHub_Load() {
	ctx := context.Background()
	hub := events.New([]events.Listener{memory{rows: map[string]metadata.Row{"var/a": {Name: "var/a", Size: 7}}}}, events.Options{})
	defer hub.Close(ctx)
	for _, name := range []string{"var/a", "var/b"} {
		row, exists, err := hub.Exists(ctx, name, func(context.Context) (metadata.Row, error) {
			return metadata.Row{}, fs.ErrNotExist
		})
		fmt.Println(name, row.Size, exists, err)
	}
	// Output:
	// var/a 7 true <nil>
	// var/b 0 false <nil>
}
