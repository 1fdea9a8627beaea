package cluster

import (
	"context"
	"errors"
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

	mu     sync.Mutex
	opened map[string]backends.Backend
}

func newTrashes(s settings.Settings, logger *slog.Logger) *trashes {
	t := &trashes{settings: s, logger: logger, prefix: make(map[string]string), opened: make(map[string]backends.Backend)}
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

// open returns a backend whose trash can be reached. It is closed with the
// cluster.
func (t *trashes) open(ctx context.Context, name string) (backends.Backend, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.opened[name]; b != nil {
		return b, nil
	}
	b, err := OpenBackend(ctx, t.settings, name, t.logger)
	if err == nil {
		t.opened[name] = b
	}
	return b, err
}

func (t *trashes) close() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, b := range t.opened {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}
