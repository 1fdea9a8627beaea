package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/ini"
	"example.com/ezdfs/internal/doctor"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// source says where the INI files lie.
func (a *app) source() ini.Source {
	dir := a.settingsDir
	if dir == "" {
		dir = filepath.Join(a.root, "settings")
	}
	return ini.Source{Dir: dir, Root: a.root, SiteAccess: a.siteAccess, Extensions: a.extensions}
}

// options are those of the settings: the root is absolute, so that mounts are.
func (a *app) options() (settings.Options, error) {
	source := a.source()
	root, err := filepath.Abs(a.root)
	return settings.Options{
		Dir: source.Dir, Root: root, SiteAccess: a.siteAccess, Extensions: a.extensions, Getenv: a.getenv,
	}, err
}

// settings loads the settings of the site. What is wrong with them is wrong
// configuration.
func (a *app) settings() (settings.Settings, error) {
	options, err := a.options()
	if err != nil {
		return settings.Settings{}, err
	}
	s, err := settings.Load(options)
	if err != nil {
		return s, a.wrongSettings(err)
	}
	return s, nil
}

// wrongSettings is the error of settings that cannot be read, with what to do
// where they are not there at all.
func (a *app) wrongSettings(err error) error {
	if _, statErr := os.Stat(a.source().Dir); errors.Is(statErr, fs.ErrNotExist) {
		err = fmt.Errorf("%w; run dfsctl in the site root, or name that with --root, or its settings with --settings", err)
	}
	return &usageError{err}
}

// session is an open cluster with the settings it was opened by.
type session struct {
	*cluster.Cluster
	settings settings.Settings
}

// withCluster opens the cluster, calls do and closes it. What goes wrong only
// then is said, but is no failure of the command.
func (a *app) withCluster(ctx context.Context, do func(session) error, options ...cluster.Option) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	c, err := cluster.Open(ctx, s, append(options, cluster.WithLogger(a.logger()), cluster.ForOneCommand())...)
	if err != nil {
		return openError(ctx, s, err)
	}
	err = advised(ctx, s, do(session{c, s}))
	// What was done is done, whatever a listener did not hear of it.
	if closing := c.Close(); closing != nil {
		a.report(ctx, closing)
	}
	return err
}

// advised adds to the error of an operation which settings to look at, when a
// service could not be reached.
func advised(ctx context.Context, s settings.Settings, err error) error {
	switch err.(type) {
	case *backends.Error, *metadata.Error:
		if errors.Is(err, backends.ErrUnavailable) || errors.Is(err, metadata.ErrUnavailable) {
			return openError(ctx, s, err)
		}
	}
	return err
}

// withDatabase opens the metadata store alone. A missing SQLite file is
// created if create says so.
func (a *app) withDatabase(ctx context.Context, create bool, do func(*metadata.Store) error) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	return a.withStore(ctx, s, create, do)
}

// withStore is withDatabase by settings that are loaded already.
func (a *app) withStore(ctx context.Context, s settings.Settings, create bool, do func(*metadata.Store) error) error {
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		return &usageError{err}
	}
	config.Create, config.Logger = create, a.logger()
	store, err := metadata.Open(ctx, config)
	if err != nil {
		return openError(ctx, s, err)
	}
	return errors.Join(do(store), store.Close())
}

// openError says which settings to look at. A service that cannot be reached
// is a failure; anything else that keeps a cluster from being opened is wrong
// configuration.
func openError(ctx context.Context, s settings.Settings, err error) error {
	var all problems
	for _, err := range doctor.Advise(s, err) {
		reached := !errors.Is(err, backends.ErrUnavailable) && !errors.Is(err, metadata.ErrUnavailable)
		if reached && ctx.Err() == nil {
			err = &usageError{err}
		}
		all = append(all, err)
	}
	return all
}
