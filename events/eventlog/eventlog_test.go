package eventlog_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/events"
	"example.com/ezdfs/events/eventlog"
	"example.com/ezdfs/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// notify tells a listener that writes text, and returns the lines.
func notify(t *testing.T, level, threshold slog.Level, batch ...events.Event) []string {
	t.Helper()
	var out strings.Builder
	handler := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: threshold, ReplaceAttr: dropTime})
	listener := eventlog.New(slog.New(handler), level)
	if err := listener.Notify(t.Context(), batch); err != nil {
		t.Error(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	return strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
}

// dropTime leaves the time of the line out, which no test knows.
func dropTime(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// Every kind of event is one line under its legacy name.
func TestLines(t *testing.T) {
	at := time.Unix(1_700_000_000, 0).UTC()
	const end = " seq=7 at=2023-11-14T22:13:20.000Z"
	tests := []struct {
		event events.Event
		want  string
	}{
		{events.Event{Kind: events.DeleteFile, Subject: "var/a b"}, `cluster/deleteFile path="var/a b"`},
		{events.Event{Kind: events.DeleteFile, Hash: "0cc1"}, `cluster/deleteFile hash=0cc1`},
		{events.Event{Kind: events.DeleteByLike, Subject: "var/a_"}, `cluster/deleteByLike prefix=var/a_ like=var/a\_%`},
		{events.Event{Kind: events.DeleteByDirList, Subject: "var/2/x", Common: "var", Dir: "2", Suffix: "x"}, `cluster/deleteByDirList prefix=var/2/x common=var dir=2 suffix=x`},
		{events.Event{Kind: events.DeleteByNametrunk, Subject: "var/2-"}, `cluster/deleteByNametrunk trunk=var/2-`},
		{events.Event{Kind: events.DeleteByWildcard, Subject: "var/*"}, `cluster/deleteByWildcard wildcard=var/*`},
		{events.Event{Kind: events.DeleteByScope, Subject: "image"}, `cluster/deleteByScope scope=image`},
		{events.Event{Kind: events.Lost, Count: 3}, `cluster/lost count=3`},
		{events.Event{Kind: "new", Subject: "x"}, `cluster/new subject=x`},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			test.event.Seq, test.event.Time = 7, at
			lines := notify(t, slog.LevelInfo, slog.LevelInfo, test.event)
			if len(lines) != 1 || lines[0] != "level=INFO msg="+test.want+end {
				t.Errorf("got  %q\nwant %q", lines, "level=INFO msg="+test.want+end)
			}
		})
	}
}

// The level is as given, and rows that were read are passed over.
func TestWhatIsLogged(t *testing.T) {
	read := events.Event{Kind: events.StoreMetadata, Row: metadata.Row{Name: "var/a"}}
	deleted := events.Event{Kind: events.DeleteFile, Subject: "var/a"}
	if lines := notify(t, slog.LevelDebug, slog.LevelDebug, read, deleted, read, deleted); len(lines) != 2 || !strings.HasPrefix(lines[0], "level=DEBUG") {
		t.Errorf("got %q", lines)
	}
	if lines := notify(t, slog.LevelDebug, slog.LevelInfo, deleted); len(lines) != 0 {
		t.Errorf("got %q below the threshold", lines)
	}
}

// A batch is not begun after the deadline.
func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := eventlog.New(slog.New(slog.DiscardHandler), slog.LevelInfo).Notify(ctx, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
