package cluster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"

	"example.com/ezdfs/dispatcher"
	"example.com/ezdfs/events"
	"example.com/ezdfs/events/eventlog"
	"example.com/ezdfs/events/memcached"
	"example.com/ezdfs/events/rowcache"
	"example.com/ezdfs/events/webhook"
	"example.com/ezdfs/localcache"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// openListeners opens the listeners that [ClusterEventsSettings] names.
func (c *Cluster) openListeners(s settings.Settings) ([]events.Listener, error) {
	var listeners []events.Listener
	var errs []error
	for _, name := range s.ListenerNames() {
		if c.transient && name == "rowcache" {
			continue
		}
		l, err := c.openListener(s, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		listeners = append(listeners, c.heard(l))
	}
	return listeners, errors.Join(errs...)
}

func (c *Cluster) openListener(s settings.Settings, name string) (events.Listener, error) {
	switch name {
	case "rowcache":
		return rowcache.New(rowcache.Options{
			TTL: s.RowCache.TTL, NegativeTTL: s.RowCache.NegativeTTL, MaxEntries: s.RowCache.MaxEntries,
		}), nil
	case "memcached":
		return memcached.New(s.Memcached, memcached.Options{Layout: c.meta.Layout(), Family: c.family, Logger: c.logger})
	case "log":
		return eventlog.New(c.logger, slog.LevelInfo), nil
	case "webhook":
		host, _ := os.Hostname()
		return webhook.New(webhook.Options{URL: s.Webhook.URL, Secret: s.Webhook.Secret.Reveal(), Timeout: s.Webhook.Timeout, Host: host})
	}
	return nil, fmt.Errorf("file.ini [ClusterEventsSettings]: unknown listener %q", name)
}

// family yields the names of the rows that a family event is about, expired
// ones included.
func (c *Cluster) family(ctx context.Context, e events.Event) iter.Seq2[string, error] {
	filter, ok := familyFilter(e)
	return func(yield func(string, error) bool) {
		if !ok {
			yield("", errors.ErrUnsupported)
			return
		}
		for row, err := range c.meta.Rows(ctx, filter) {
			if !yield(row.Name, err) || err != nil {
				return
			}
		}
	}
}

// familyFilter selects the rows of a family that an index finds.
func familyFilter(e events.Event) (metadata.Filter, bool) {
	switch e.Kind {
	case events.DeleteByLike, events.DeleteByDirList:
		return metadata.Filter{Prefix: e.Subject}, e.Subject != ""
	case events.DeleteByNametrunk:
		return metadata.Filter{Trunk: e.Subject}, true
	}
	return metadata.Filter{}, false
}

// openLocal opens the local copies.
func (c *Cluster) openLocal(s settings.Settings) (*localcache.Cache, error) {
	if c.transient {
		return localcache.Open(localcache.Options{})
	}
	var mounts []string
	for _, nfs := range s.NFS {
		mounts = append(mounts, nfs.MountPointPath)
	}
	return localcache.Open(localcache.Options{
		Dir: s.LocalCache.Directory, MaxSize: s.LocalCache.MaxSize, MemorySize: s.LocalCache.MemorySize,
		Root: s.Root, Mounts: mounts, Logger: c.logger, Now: c.now,
	})
}

// closeParts closes what was opened, and the listeners, before something else
// could not be opened.
func (c *Cluster) closeParts(meta *metadata.Store, stores *dispatcher.Dispatcher, local *localcache.Cache) error {
	c.end()
	var errs []error
	for _, l := range c.listeners {
		errs = append(errs, l.Close())
	}
	if stores != nil {
		errs = append(errs, stores.Close())
	}
	if local != nil {
		errs = append(errs, local.Close())
	}
	if meta != nil {
		errs = append(errs, meta.Close())
	}
	return errors.Join(errs...)
}
