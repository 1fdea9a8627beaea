package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// trashes are the trash directories of the backends and the way to them: each
// store opened once more, without a trash, so that nothing in it is hidden.
type trashes struct {
	settings settings.Settings
	logger   *slog.Logger
	prefix   map[string]string // by the name of the backend, "" for those that delete

	mu     sync.Mutex // not held while a store is opened
	opened map[string]*trashStore
	closed bool
}

// trashStore is a store opened without a trash, or about to be.
type trashStore struct {
	turn chan struct{} // of whoever opens it
	backends.Backend
}

func newTrashes(s settings.Settings, logger *slog.Logger) *trashes {
	t := &trashes{settings: s, logger: logger, prefix: make(map[string]string), opened: make(map[string]*trashStore)}
	t.settings.NFS, t.settings.S3, t.settings.GCS = maps.Clone(s.NFS), maps.Clone(s.S3), maps.Clone(s.GCS)
	hide := func(name string, trash *string) {
		t.prefix[name] = strings.Trim(*trash, "/")
		*trash = ""
	}
	for name, conf := range t.settings.NFS {
		hide(name, &conf.Trash)
		t.settings.NFS[name] = conf
	}
	for name, conf := range t.settings.S3 {
		hide(name, &conf.Trash)
		t.settings.S3[name] = conf
	}
	for name, conf := range t.settings.GCS {
		hide(name, &conf.Trash)
		t.settings.GCS[name] = conf
	}
	return t
}

// of returns the trash directory of a backend, "" for none.
func (t *trashes) of(backend string) string {
	if t == nil {
		return ""
	}
	return t.prefix[backend]
}

// store returns the store of a name, opened or not.
func (t *trashes) store(name string) *trashStore {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened[name] == nil {
		t.opened[name] = &trashStore{turn: make(chan struct{}, 1)}
	}
	return t.opened[name]
}

// open returns a backend whose trash can be reached. It is closed with the
// cluster. A store that hangs keeps those waiting that need it, as long as their
// contexts let them.
func (t *trashes) open(ctx context.Context, name string) (backends.Backend, error) {
	if t == nil {
		return nil, fmt.Errorf("the trash of %s: %w", name, errors.ErrUnsupported)
	}
	store := t.store(name)
	select {
	case store.turn <- struct{}{}:
		defer func() { <-store.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if store.Backend != nil {
		return store.Backend, nil
	}
	b, err := OpenBackend(ctx, t.settings, name, t.logger)
	if err == nil && !t.keep(store, b) {
		err = errors.Join(fmt.Errorf("the trash of %s: %w", name, fs.ErrClosed), b.Close())
	}
	return store.Backend, err
}

// keep has close close a backend, and reports false if that is done already.
func (t *trashes) keep(store *trashStore, b backends.Backend) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		store.Backend = b
	}
	return !t.closed
}

func (t *trashes) close() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	var errs []error
	for _, store := range t.opened {
		if store.Backend != nil {
			errs = append(errs, store.Close())
		}
	}
	return errors.Join(errs...)
}
