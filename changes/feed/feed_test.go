package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/changestest"
	"example.com/ezdfs/changes/feed"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

var (
	logging = testservice.NewMariaDB(testservice.MariaDBOptions{Binlog: true})
	plain   = testservice.NewMariaDB(testservice.MariaDBOptions{})
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(testservice.Main(m, logging.Close, plain.Close))
}

// onServer returns the settings of a fresh database.
func onServer(t *testing.T, server *testservice.MariaDB) settings.Settings {
	s := settings.Defaults()
	s.DFS.DBName = server.Database(t)
	s.DFS.DBSocket = server.Socket()
	return s
}

func onSQLite(t *testing.T) settings.Settings {
	s := settings.Defaults()
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", t.TempDir()+"/cluster.db"
	return s
}

// open opens the store of settings, which the test closes, with its tables if
// it shall have any.
func open(t *testing.T, s settings.Settings, tables bool) *metadata.Store {
	t.Helper()
	c, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	c.Create = true
	store, err := metadata.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if tables {
		if err := store.CreateSchema(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings func(*testing.T) settings.Settings
		source   string
		bare     bool   // without tables
		want     string // name of the source
		err      string // part of the error
		log      string // part of the log
	}{
		{"auto with a binary log", func(t *testing.T) settings.Settings { return onServer(t, logging) }, "auto", false, "binlog", "", ""},
		{"auto without", func(t *testing.T) settings.Settings { return onServer(t, plain) }, "auto", false, "journal", "", "log_bin"},
		{"auto on SQLite", onSQLite, "auto", false, "journal", "", "has no binary log"},
		{"auto with neither", onSQLite, "auto", true, "", "dfsctl schema create", ""},
		{"journal where both are", func(t *testing.T) settings.Settings { return onServer(t, logging) }, "journal", false, "journal", "", ""},
		{"journal where none is", onSQLite, "journal", true, "", "dfsctl schema create", ""},
		{"binlog", func(t *testing.T) settings.Settings { return onServer(t, logging) }, "binlog", false, "binlog", "", ""},
		{"binlog where none is", func(t *testing.T) settings.Settings { return onServer(t, plain) }, "binlog", false, "", "log_bin", ""},
		{"none", onSQLite, "none", false, "", "Source=none", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.settings(t)
			s.Changes.Source = c.source
			var log bytes.Buffer
			source, err := feed.Open(t.Context(), s, open(t, s, !c.bare), slog.New(slog.NewTextHandler(&log, nil)))
			if c.err != "" {
				if source != nil || !errors.Is(err, changes.ErrUnavailable) || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, %v", source, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			if source.Name() != c.want || !strings.Contains(log.String(), c.log) || c.log == "" && log.Len() > 0 {
				t.Errorf("%s; the log says %q", source.Name(), &log)
			}
			if head, err := source.Head(t.Context()); err != nil || !strings.HasPrefix(string(head), c.want+":") {
				t.Errorf("the head is %q, %v", head, err)
			}
		})
	}
}

func TestOpenMistakes(t *testing.T) {
	s := onSQLite(t)
	s.Changes.Source = "kafka"
	if source, err := feed.Open(t.Context(), s, open(t, s, true), nil); source != nil || !strings.Contains(fmt.Sprint(err), "kafka") {
		t.Errorf("%v, %v", source, err)
	}
	s.Changes.Source = "none"
	if _, err := feed.Open(t.Context(), s, open(t, s, true), nil); err != feed.ErrDisabled {
		t.Error(err)
	}
	// A wrong password is no reason to read something else.
	s = onServer(t, logging)
	store := open(t, s, true)
	s.Changes.Source, s.Changes.ReplicationUser, s.Changes.ReplicationPassword = "auto", "nobody", "hunter2"
	logging.Exec(t, "CREATE OR REPLACE USER nobody@localhost IDENTIFIED BY 'other'")
	source, err := feed.Open(t.Context(), s, store, nil)
	if source != nil || err == nil || errors.Is(err, changes.ErrUnavailable) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v, %v", source, err)
	}
}

// TestConformance: what Open returns is a source like any other.
func TestConformance(t *testing.T) {
	for name, server := range map[string]*testservice.MariaDB{"binlog": logging, "journal": plain} {
		t.Run(name, func(t *testing.T) {
			changestest.Run(t, func(t *testing.T) changestest.Fixture {
				s := onServer(t, server)
				s.Changes.Source = name
				store := open(t, s, true)
				return changestest.Fixture{Store: store, Open: func(t *testing.T) changes.Source {
					source, err := feed.Open(t.Context(), s, store, nil)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { source.Close() })
					return source
				}}
			})
		})
	}
}

// TestJournalIsPruned: with the binary log as the source, the journal is
// written all the same, and pruned while somebody follows.
func TestJournalIsPruned(t *testing.T) {
	s := onServer(t, logging)
	s.Changes.Source = "binlog"
	store := open(t, s, true)
	for range 3 {
		err := store.Update(t.Context(), func(tx *metadata.Tx) error {
			return tx.Record(metadata.Change{Kind: metadata.KindStore, Subject: "var/a", Time: time.Unix(1, 0)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	source, err := feed.Open(t.Context(), s, store, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for c, err := range source.Changes(ctx, changes.Newest, true) {
			t.Errorf("%+v, %v", c, err)
		}
	}()
	defer func() { cancel(); <-ended }()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for end := time.After(time.Minute); ; {
		_, err := store.ReadJournal(t.Context(), position(t, "2"))
		var lost *metadata.JournalLostError
		if errors.As(err, &lost) {
			return
		}
		select {
		case <-again.C:
		case <-end:
			t.Fatalf("the journal is not pruned: %v", err)
		}
	}
}

func position(t *testing.T, text string) metadata.JournalPosition {
	t.Helper()
	p, err := metadata.ParseJournalPosition(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
