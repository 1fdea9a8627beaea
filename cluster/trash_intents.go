package cluster

import (
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/metadata"
)

// intents are the entries of bodies that are about to go into the trash. Nil is
// those of what is deleted.
type intents struct {
	// entries are those of a name, in the order in which their stores are asked.
	entries map[string][]*intent
	// rows are what the entries of a purge were made of.
	rows map[metadata.Row]bool
	// bound is a name that has a trash to go to.
	bound func(name string) bool
}

// intent is an entry and what became of its body. One goroutine at a time knows
// of it.
type intent struct {
	metadata.Trashed
	moved   bool   // by whichever attempt of the transaction
	unsure  bool   // moving it failed, wherever that left the body
	version string // of the body that an entry was made of, or that was copied; "" if unknown
}

func newIntents() *intents {
	return &intents{entries: make(map[string][]*intent), rows: make(map[metadata.Row]bool)}
}

// onlyRows returns intents of a purge that deletes these very rows for good, and no
// others.
func onlyRows(rows ...metadata.Row) *intents {
	i := newIntents()
	i.bound = func(string) bool { return true }
	for _, row := range rows {
		i.rows[row] = true
	}
	return i
}

// add adds an entry to be announced, of the body of that version.
func (i *intents) add(t metadata.Trashed, version string) {
	i.entries[t.Name] = append(i.entries[t.Name], &intent{Trashed: t, version: version})
}

// knows reports whether a row may be purged: one that belongs into the trash
// must have an entry that was made of it. It has none if it was not expired a
// moment ago, or another file was stored and expired since; that is the next
// purge's.
func (i *intents) knows(row metadata.Row) bool {
	return i == nil || i.rows[row] || !i.bound(row.Name)
}

// trashed returns the entries to be announced.
func (i *intents) trashed() (list []metadata.Trashed) {
	for _, entries := range i.entries {
		for _, t := range entries {
			list = append(list, t.Trashed)
		}
	}
	return list
}

// settle records which bodies got into the trash, and forgets those that did
// not. Where that is unsure the entry stays pending, for the next who looks.
func (i *intents) settle(tx *metadata.Tx) error {
	if i == nil {
		return nil
	}
	var moved, left []metadata.Trashed
	for _, entries := range i.entries {
		for _, t := range entries {
			switch {
			case t.moved:
				moved = append(moved, t.Trashed)
			case !t.unsure:
				left = append(left, t.Trashed)
			}
		}
	}
	return errors.Join(tx.SettleTrash(moved...), tx.DropPendingTrash(left...))
}

// moved reports whether a body of a name got into the trash.
func (i *intents) moved(name string) bool {
	for _, t := range i.entries[name] {
		if t.moved {
			return true
		}
	}
	return false
}

// move moves those of the names that have entries, several at a time, and
// returns those that it could not.
func (i *intents) move(names []string, move func(entries []*intent) error) map[string]error {
	failed := make(map[string]error)
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(batchParallel)
	for _, name := range names {
		if len(i.entries[name]) == 0 {
			continue
		}
		group.Go(func() error {
			if err := move(i.entries[name]); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[name] = err
			}
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	return failed
}
