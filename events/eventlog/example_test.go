package eventlog_test

import (
	"context"
	"log/slog"
	"os"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/events/eventlog"
)

// A hub with a log.
func Example() {
	ctx := context.Background()
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: dropTime})
	hub := events.New([]events.Listener{eventlog.New(slog.New(handler), slog.LevelInfo)}, events.Options{})
	hub.Publish(events.Event{
		Kind: events.DeleteFile, Subject: "var/site/storage/a.png",
		Time: time.Unix(1_700_000_000, 0).UTC(),
	})
	hub.Close(ctx) // waits until it is written
	// Output:
	// level=INFO msg=cluster/deleteFile path=var/site/storage/a.png seq=1 at=2023-11-14T22:13:20.000Z
}
