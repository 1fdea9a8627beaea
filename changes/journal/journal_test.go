package journal_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/journal"
	"example.com/ezdfs/metadata"
)

// record commits changes.
func record(tb testing.TB, store *metadata.Store, changes ...metadata.Change) {
	tb.Helper()
	if err := store.Update(tb.Context(), func(tx *metadata.Tx) error { return tx.Record(changes...) }); err != nil {
		tb.Fatal(err)
	}
}

// A change says what was recorded; a family has no hash.
func TestChange(t *testing.T) {
	store := createStore(t, sqliteConfig(t))
	at := time.UnixMicro(1_700_000_000_123_456)
	record(t, store,
		metadata.Change{Kind: metadata.KindMove, Subject: "var/a", Scope: "image", Time: at, Host: "h"},
		metadata.Change{Kind: metadata.KindExpireTrunk, Subject: "var/2-", Time: at})
	want := []changes.Change{
		{Position: "journal:2", Kind: metadata.KindMove, Subject: "var/a", Hash: metadata.Hash("var/a"), Scope: "image", Time: at, Host: "h"},
		{Position: "journal:3", Kind: metadata.KindExpireTrunk, Subject: "var/2-", Time: at, Host: "host1"},
	}
	for c, err := range open(t, store, journal.Options{}).Changes(t.Context(), changes.Oldest, false) {
		if err != nil || len(want) == 0 || c != want[0] {
			t.Fatalf("%+v, %v; wanted are %+v", c, err, want)
		}
		want = want[1:]
	}
	if len(want) > 0 {
		t.Errorf("missing are %+v", want)
	}
}

func TestOpen(t *testing.T) {
	c := sqliteConfig(t)
	store, err := metadata.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if source, err := journal.Open(t.Context(), store, journal.Options{}); source != nil ||
		!errors.Is(err, changes.ErrUnavailable) || !strings.Contains(err.Error(), "dfsctl schema create") {
		t.Errorf("without a journal: %v, %v", source, err)
	}
	createStore(t, c)
	source, err := journal.Open(t.Context(), store, journal.Options{CloseStore: true})
	if err != nil {
		t.Fatalf("with a journal made since: %v", err)
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	if err := store.Ping(t.Context()); err == nil {
		t.Error("the store is not closed")
	}
}

// While somebody follows, the journal is pruned, once for all who do; a stream
// whose position goes with it ends and says so.
func TestUpkeep(t *testing.T) {
	store := createStore(t, sqliteConfig(t))
	old := time.Now().Add(-2 * time.Hour)
	for range 3 {
		record(t, store, metadata.Change{Kind: metadata.KindStore, Subject: "var/a", Time: old})
	}
	var log synced
	source := open(t, store, journal.Options{Retention: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range source.Changes(t.Context(), changes.Oldest, false) {
	}
	if log.String() != "" {
		t.Errorf("it was pruned without following: %s", log.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	for range 2 {
		following.Go(func() {
			for c, err := range source.Changes(ctx, changes.Newest, true) {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.After(time.Minute); !strings.Contains(log.String(), "pruned"); {
		select {
		case <-again.C:
		case <-end:
			t.Fatal("the journal is not pruned")
		}
	}
	cancel()
	following.Wait()
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "entries=2") {
		t.Errorf("the log says %q", log.String())
	}
	for c, err := range source.Changes(t.Context(), "journal:1", true) {
		var lost *changes.LostError
		if !errors.As(err, &lost) || lost.Position != "journal:1" || !strings.Contains(lost.Reason, "pruned up to entry 2") {
			t.Errorf("%+v, %v", c, err)
		}
	}
}

// A follower notices that the journal was emptied under it.
func TestEmptiedUnderFollower(t *testing.T) {
	c := mysqlConfig(t)
	store := createStore(t, c)
	record(t, store, metadata.Change{Kind: metadata.KindStore, Subject: "var/a"})
	var lost *changes.LostError
	for change, err := range open(t, store, journal.Options{}).Changes(t.Context(), changes.Oldest, true) {
		if err == nil {
			maria.Exec(t, "TRUNCATE TABLE `"+c.Name+"`.ezdfs_journal")
		} else if !errors.As(err, &lost) || lost.Position != "journal:2" {
			t.Errorf("%+v, %v", change, err)
		}
	}
	if lost == nil {
		t.Error("the stream ended without an error")
	}
}

// synced is a buffer for several goroutines.
type synced struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *synced) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *synced) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}
