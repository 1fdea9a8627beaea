package cluster

import (
	"errors"
	"fmt"

	"example.com/ezdfs/dispatcher"
	"example.com/ezdfs/events"
	"example.com/ezdfs/events/memcached"
	"example.com/ezdfs/events/rowcache"
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
		listeners = append(listeners, l)
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
		return memcached.New(s.Memcached, memcached.Options{Logger: c.logger})
	}
	return nil, fmt.Errorf("file.ini [ClusterEventsSettings]: unknown listener %q", name)
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

// closeAll closes what was opened before something else could not be.
func closeAll(meta *metadata.Store, stores *dispatcher.Dispatcher, local *localcache.Cache, listeners []events.Listener) error {
	var errs []error
	if meta != nil {
		errs = append(errs, meta.Close())
	}
	if stores != nil {
		errs = append(errs, stores.Close())
	}
	if local != nil {
		errs = append(errs, local.Close())
	}
	for _, l := range listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
