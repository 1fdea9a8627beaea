package dispatcher

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"

	"example.com/ezdfs/backends"
)

// Migration says that the paths which begin with Prefix (a string, not a
// directory, whatever the matching of the rules) are on their way between the
// backend that the rules send them to and a second one, From, where a body may
// still lie. It covers those of the paths that go where the prefix itself
// goes; a rule for a part of them keeps that part out of it.
//
// Of a path that is covered, the rules' backend is the truth and the second one
// fills its gaps:
//
//   - A body is read from the rules' backend. Only where that says that there is
//     none the second one is asked, and where that has none either the first
//     again, since the body may have moved in between. A backend that does not
//     answer is an error: what the other one holds may be out of date. Who can
//     tell that asks [Route.From] itself.
//   - A body is written to the rules' backend, and whatever the second one holds
//     is deleted when it is published. The caller holds the row's lock then, so
//     that of two processes with the two backends the other way round, as there
//     are while the settings of several hosts change, neither finds an outdated
//     body: what lies on the second backend is at any time the very body of the
//     first, or all there is.
//   - A body is deleted from the second backend first. Were it the other way
//     round, what the second one holds would come back in between.
//   - A listing yields each path once.
type Migration struct {
	Prefix string
	From   string // name of the second backend
}

// migration is one with its backends.
type migration struct {
	prefix   string
	to, from backends.Backend
}

// Option changes what New makes.
type Option func(*Dispatcher)

// WithMigrations has prefixes fall back to the backends that they migrate from;
// of several that cover a path the first counts. One whose paths go to From
// already changes nothing.
func WithMigrations(list ...Migration) Option {
	return func(d *Dispatcher) { d.wanted = append(d.wanted, list...) }
}

// WithLogger sets where the dispatcher tells what is no error of the caller:
// an outdated body that it could not delete. The default is nowhere.
func WithLogger(l *slog.Logger) Option {
	return func(d *Dispatcher) { d.logger = l }
}

// second returns the backend where a path that goes to first may still lie, or
// nil.
func (d *Dispatcher) second(path string, first backends.Backend) backends.Backend {
	for _, m := range d.migrations {
		if m.to == first && strings.HasPrefix(path, m.prefix) {
			return m.from
		}
	}
	return nil
}

// pair returns the backend of a path and the second one, or nil.
func (d *Dispatcher) pair(path string) (first, second backends.Backend) {
	first = d.backend(path)
	return first, d.second(path, first)
}

// find does what may find no body at the first backend of path, then at the
// second one, and then at the first again: a copy or a writer may have moved
// the body there in between, and no body moves twice.
func find[T any](d *Dispatcher, path string, do func(backends.Backend) (T, error)) (T, error) {
	first, second := d.pair(path)
	found, err := do(first)
	if second == nil || !errors.Is(err, fs.ErrNotExist) {
		return found, err
	}
	if found, err := do(second); !errors.Is(err, fs.ErrNotExist) {
		return found, err
	}
	return do(first)
}

// migrating is a staged body of a path that has a second backend.
type migrating struct {
	backends.Staged
	d      *Dispatcher
	path   string
	second backends.Backend
}

// staged returns a body staged at path's first backend as it is to be
// published.
func (d *Dispatcher) staged(path string, second backends.Backend, staged backends.Staged, err error) (backends.Staged, error) {
	if err != nil || second == nil {
		return staged, err
	}
	return &migrating{staged, d, path, second}, nil
}

// Publish publishes the body, then deletes what it replaces at the second
// backend. That this cannot be done is not the writer's error: no reader looks
// there any more.
func (m *migrating) Publish(ctx context.Context) error {
	if err := m.Staged.Publish(ctx); err != nil {
		return err
	}
	if err := m.second.Delete(ctx, []string{m.path}); err != nil {
		m.d.logger.WarnContext(ctx, "an outdated body stays where its path migrates from; dfsctl migrate takes care of it",
			"path", m.path, "backend", m.second.Name(), "error", err)
	}
	return nil
}

// deleteSecond deletes what lies on second backends and returns the paths of
// which that failed.
func (d *Dispatcher) deleteSecond(ctx context.Context, paths []string) map[string]error {
	if len(d.migrations) == 0 {
		return map[string]error{}
	}
	groups := make(map[backends.Backend][]string)
	for _, path := range paths {
		if _, second := d.pair(path); second != nil {
			groups[second] = append(groups[second], path)
		}
	}
	return d.deleteGroups(ctx, groups)
}
