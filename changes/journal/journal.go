// Package journal is the change feed that every engine has: ezdfs records what
// it does in a table of its own, in the transaction that does it, and this
// package reads the table. It does not see what PHP does; package binlog does.
//
//	source, err := journal.Open(ctx, store, journal.Options{})
//	// ...
//	for change, err := range source.Changes(ctx, changes.Newest, true) {
//
// A change is seen no later than one poll interval after its commit. While
// somebody follows, the journal is pruned once a minute. Changes of a family
// of paths are one entry and arrive once or more, see
// [metadata.Store.ExpirePrefix].
//
// All hosts must write and read the journal on one server at a time, not on a
// replica nor on several nodes of a Galera cluster: whether a transaction is
// still open is known there alone. The row locks of the cluster need the same.
package journal

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// name of the source, and what its positions begin with.
const name = "journal"

// Options say how a journal is followed. The zero value is useful.
type Options struct {
	// PollInterval is the time between two looks at the journal when there was
	// nothing new; 0 means 200 ms.
	PollInterval time.Duration
	// Retention is for how long entries are kept; 0 prunes nothing.
	Retention time.Duration
	// CloseStore makes Close close the store too.
	CloseStore bool
	// Logger receives what is worth knowing but no error; nil discards it.
	Logger *slog.Logger
}

// Source is the journal of a store.
type Source struct {
	store   *metadata.Store
	options Options

	upkeep sync.Mutex // held while the journal is pruned
	due    time.Time  // when to do so again
}

var _ changes.Source = (*Source)(nil)

// Open returns the journal of a store. The error wraps
// [changes.ErrUnavailable] where the database has none. The caller closes the
// source, and then the store, unless CloseStore is set.
func Open(ctx context.Context, store *metadata.Store, o Options) (*Source, error) {
	if o.PollInterval <= 0 {
		o.PollInterval = 200 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	there, err := store.HasJournal(ctx)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, fmt.Errorf("journal: %w: the database has no table ezdfs_journal; create it with dfsctl schema create", changes.ErrUnavailable)
	}
	return &Source{store: store, options: o}, nil
}

// Name implements [changes.Source].
func (s *Source) Name() string { return name }

// Close implements [changes.Source].
func (s *Source) Close() error {
	if s.options.CloseStore {
		return s.store.Close()
	}
	return nil
}

// Head implements [changes.Source]. What transactions that are open at that
// moment have recorded comes after it.
func (s *Source) Head(ctx context.Context) (changes.Position, error) {
	head, err := s.store.JournalHead(ctx)
	if err != nil {
		return "", err
	}
	return position(head.String()), nil
}

// position is a place of the journal as every source writes its own.
func position(text string) changes.Position { return changes.Position(name + ":" + text) }

// parse reads a position other than Newest.
func parse(p changes.Position) (metadata.JournalPosition, error) {
	if p == changes.Oldest {
		return metadata.JournalPosition{}, nil
	}
	text, ok := strings.CutPrefix(string(p), name+":")
	if !ok {
		return metadata.JournalPosition{}, &changes.LostError{Source: name, Position: p, Reason: "it is no position of the journal"}
	}
	at, err := metadata.ParseJournalPosition(text)
	if err != nil {
		return at, &changes.LostError{Source: name, Position: p, Reason: err.Error()}
	}
	return at, nil
}
