// Package cluster is the file handler: every operation on a file of the
// cluster, keeping its row (package metadata) and its body (package
// dispatcher) together. It is the package that a program embeds:
//
//	s, err := settings.Load(settings.Options{Dir: "settings"})
//	...
//	c, err := cluster.Open(ctx, s)
//	...
//	defer c.Close()
//	row, err := c.Store(ctx, "var/site/storage/images/a.png", body, cluster.StoreOptions{Scope: "image"})
//
// The row decides whether a file exists. A live row always has a complete
// body, at every instant and after any crash: bodies are staged before a row
// is locked, become visible while it is, and are deleted only while it is
// locked and expired. PHP frontends may use the same tables and stores at the
// same time; writers of one path exclude each other by the row lock.
//
// Paths are names of rows: relative to the site root, slash-separated. They
// are cleaned as the legacy cleans them ([metadata.CleanName]); a path that
// cannot be cleaned is an error before anything is touched.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/feed"
	"example.com/ezdfs/dispatcher"
	"example.com/ezdfs/events"
	"example.com/ezdfs/localcache"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// Cluster is an open cluster. Its methods may be called concurrently. Two
// clusters can be open in one process.
type Cluster struct {
	meta     *metadata.Store
	stores   *dispatcher.Dispatcher
	root     string        // site root, where local files of the same path lie
	retries  int           // of reads and copies that meet a change
	patience time.Duration // of reads whose store does not answer
	logger   *slog.Logger
	now      func() time.Time

	hub       *events.Hub
	listeners []events.Listener // given by options, told after those of the settings
	feed      changes.Source    // nil where nobody listens to it
	transient bool              // no caches that only a long life pays
	late      bool              // stores may be down at first
	impatient bool              // patience is 0, whatever the settings say

	wrap    func(backends.Backend) backends.Backend // nil for none
	observe metadata.Observer                       // nil for none

	background context.Context // of what nobody waits for, until Close
	end        context.CancelFunc
	running    sync.WaitGroup // what goes on in the background

	slow              slow     // stores that paths migrate to
	trash             *trashes // nil for none
	local             *localcache.Cache
	fills             singleflight.Group // of local copies
	flights           flights            // generations of this process
	generationTimeout time.Duration
	staleHandling     map[string]string // by kind of cache file

	// step is called between the steps of every write, so that tests can stop
	// the process there.
	step func(step)
}

// Option changes how Open and New set up a cluster.
type Option func(*Cluster)

// WithLogger makes the cluster log to l what it mended and what it left
// behind. Without it nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return func(c *Cluster) { c.logger = l }
}

// WithClock replaces time.Now, from which the mtime of a file stored without
// one and the age of expired rows are taken.
func WithClock(now func() time.Time) Option {
	return func(c *Cluster) { c.now = now }
}

// WithListeners adds listeners to those that the settings name
// ([ClusterEventsSettings]). The cluster closes them, also when it cannot be
// opened.
func WithListeners(listeners ...events.Listener) Option {
	return func(c *Cluster) { c.listeners = append(c.listeners, listeners...) }
}

// ForOneCommand is for programs that end after an operation or two: rows are
// not cached in memory, local copies not kept, and the change feed is not
// followed, whatever the settings say. Everybody else is told of changes all
// the same.
func ForOneCommand() Option {
	return func(c *Cluster) { c.transient = true }
}

// WithLateStores is for programs that serve: a store that cannot be used yet,
// such as a share that is not mounted, takes only its own files along, until it
// can. Ping tells. Without it that is an error of Open.
func WithLateStores() Option {
	return func(c *Cluster) { c.late = true }
}

// WithoutPatience is for programs that wait for a store that does not answer
// themselves: reads do not, whatever StorePatience says.
func WithoutPatience() Option {
	return func(c *Cluster) { c.impatient = true }
}

// WithBackendWrapper puts wrap(b) in the place of every backend b that Open
// opens, to watch it or to change what it does. A wrapper that is a
// [backends.Wrapper] has what b has of the optional interfaces.
func WithBackendWrapper(wrap func(backends.Backend) backends.Backend) Option {
	return func(c *Cluster) { c.wrap = wrap }
}

// WithDatabaseObserver has observe told of every operation of the metadata
// store that Open opens.
func WithDatabaseObserver(observe metadata.Observer) Option {
	return func(c *Cluster) { c.observe = observe }
}

// Open connects to the metadata store and opens every backend that the
// settings route to. When some of it is wrong the error names all of it: a
// database that cannot be reached, a mount that is not there. Buckets are not
// asked before they are used, so that one that is down takes only its own
// files along; Ping asks them.
func Open(ctx context.Context, s settings.Settings, options ...Option) (*Cluster, error) {
	c := apply(options)
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		return nil, errors.Join(err, c.closeParts(nil, nil, nil))
	}
	config.Logger, config.Observe = c.logger, c.observe
	meta, metaErr := metadata.Open(ctx, config)
	stores, storesErr := openStores(ctx, s, c.logger, c.wrap, c.late)
	local, localErr := c.openLocal(s)
	if err := errors.Join(metaErr, storesErr, localErr); err != nil {
		return nil, errors.Join(err, c.closeParts(meta, stores, local))
	}
	c.use(meta, stores, s)
	c.local, c.trash = local, newTrashes(s, c.logger)
	listeners, err := c.openListeners(s)
	if c.listeners = slices.Concat(listeners, c.listeners); err != nil {
		return nil, errors.Join(err, c.closeParts(meta, stores, local))
	}
	if err := c.start(ctx, s); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// New builds a cluster of parts that are open already; Close closes them. Of
// the settings it uses the site root, MaxCopyRetries and what is about stale
// caches; it has the listeners of the options, keeps no local copies, and knows
// of no trash.
func New(meta *metadata.Store, stores *dispatcher.Dispatcher, s settings.Settings, options ...Option) *Cluster {
	c := apply(options)
	c.use(meta, stores, s)
	c.local, _ = localcache.Open(localcache.Options{}) // nothing that could fail
	c.hub = events.New(c.listeners, events.Options{QueueSize: s.Events.QueueSize, Logger: c.logger})
	return c
}

func apply(options []Option) *Cluster {
	c := &Cluster{logger: slog.New(slog.DiscardHandler), now: time.Now, step: func(step) {}}
	for _, option := range options {
		option(c)
	}
	for i, l := range c.listeners {
		c.listeners[i] = c.heard(l)
	}
	// What goes on in the background ends with the cluster, not with whoever
	// opened it or asked for it.
	c.background, c.end = context.WithCancel(context.Background())
	return c
}

// heard returns a listener as the cluster has it: one command believes no cache.
func (c *Cluster) heard(l events.Listener) events.Listener {
	if c.transient {
		return events.NotifyOnly(l)
	}
	return l
}

func (c *Cluster) use(meta *metadata.Store, stores *dispatcher.Dispatcher, s settings.Settings) {
	c.meta, c.stores, c.root = meta, stores, s.Root
	c.retries = max(s.DFS.MaxCopyRetries, 2) // the first look never draws conclusions
	if !c.impatient {
		c.patience = s.DFS.StorePatience
	}
	c.generationTimeout, c.staleHandling = s.Content.GenerationTimeout, s.Clustering.StaleHandling
}

// commandDrain is how long a command waits at its end for listeners that do not
// answer.
const commandDrain = 2 * time.Second

// start begins what goes on in the background: listeners, and the change feed
// where one of them keeps rows.
func (c *Cluster) start(ctx context.Context, s settings.Settings) error {
	options := events.Options{QueueSize: s.Events.QueueSize, Logger: c.logger}
	if c.transient {
		options.DrainTimeout = commandDrain
	}
	c.hub = events.New(c.listeners, options)
	if !slices.ContainsFunc(c.listeners, answers) {
		return nil
	}
	source, err := feed.Open(ctx, s, c.meta, c.logger)
	if errors.Is(err, changes.ErrUnavailable) {
		if !errors.Is(err, feed.ErrDisabled) {
			c.logger.WarnContext(ctx, "rows are cached for their TTL: there is no change feed", "reason", err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	c.feed = source
	c.running.Go(func() { c.follow(c.background, source) })
	return nil
}

// answers reports whether a listener keeps what it could answer with.
func answers(l events.Listener) bool {
	_, rows := l.(events.MetadataFilter)
	_, existence := l.(events.ExistenceFilter)
	return rows || existence
}

// Close lets the listeners take what they have not heard yet, for a few
// seconds at most, and closes the metadata store and all backends.
func (c *Cluster) Close() error {
	var errs []error
	c.end()
	c.running.Wait()
	if c.feed != nil {
		errs = append(errs, c.feed.Close())
	}
	errs = append(errs, c.hub.Close(context.Background())) // bounded by its drain timeout
	return errors.Join(append(errs, c.trash.close(), c.local.Close(), c.stores.Close(), c.meta.Close())...)
}

// Listeners tells how each listener fares.
func (c *Cluster) Listeners() []events.Stats { return c.hub.Stats() }

// Root returns the site root, under which Fetch puts local files.
func (c *Cluster) Root() string { return c.root }

// Metadata returns the metadata store, for programs that work on rows alone.
func (c *Cluster) Metadata() *metadata.Store { return c.meta }

// Stores returns the dispatcher, for programs that work on bodies alone. To
// write or delete bodies past the cluster breaks its invariants.
func (c *Cluster) Stores() *dispatcher.Dispatcher { return c.stores }

// Backend returns the name of the backend that path is routed to.
func (c *Cluster) Backend(path string) string { return c.stores.Route(path).Backend.Name() }

// MigratesFrom returns the name of a second backend on which the body of path may
// lie, "" where there is none. A path that migrates has no address outside the
// cluster: only reading it through the cluster is sure to find it.
func (c *Cluster) MigratesFrom(path string) string {
	if from := c.stores.Route(path).From; from != nil {
		return from.Name()
	}
	return ""
}

// Ping asks the database and every backend whether they can be used.
func (c *Cluster) Ping(ctx context.Context) error {
	return errors.Join(c.meta.Ping(ctx), c.stores.Ping(ctx))
}

// URL returns the public URL of path: the object's on a bucket, the path
// itself, for the gateway to serve, on NFS. It does not ask whether the file
// exists.
func (c *Cluster) URL(path string) (string, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return "", err
	}
	if u := c.stores.PublicURL(name); u != "" {
		return u, nil
	}
	return "/" + backends.EscapePath(name), nil
}

// SignURL returns a URL that lets whoever holds it read the file until expires
// from now. The error satisfies errors.Is(err, errors.ErrUnsupported) where
// the path's backend signs nothing.
func (c *Cluster) SignURL(ctx context.Context, path string, expires time.Duration) (string, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return "", err
	}
	return c.stores.SignURL(ctx, name, expires)
}

// step names a point between two steps of a write, in the words of the
// protocol.
type step string

const (
	stepStaged    step = "staged"    // the body is staged, nothing is locked
	stepLocked    step = "locked"    // the rows are locked or inserted
	stepPublished step = "published" // the body is visible, the row not committed
	stepIntended  step = "intended"  // it is recorded which bodies go into the trash, and where
	stepTrashed   step = "trashed"   // the bodies are in the trash, and perhaps in their places still
	stepDeleted   step = "deleted"   // the bodies are gone, their rows not
	stepMoved     step = "moved"     // the move is committed, the source not purged
	stepCommitted step = "committed"
)

// BodyMissingError says that a live row has no body on its backend: something
// removed it past the cluster. It is no fs.ErrNotExist, though Err, what the
// backend said, may be: the file exists, it is damaged.
type BodyMissingError struct {
	Path, Backend string
	Err           error
}

func (e *BodyMissingError) Error() string {
	return fmt.Sprintf("%q has a live row but no body on %s: something removed it past the cluster; store the file again", e.Path, e.Backend)
}

var (
	errNotRegular   = errors.New("not a regular file")
	errNotDirectory = errors.New("not a directory")
	errIsDirectory  = errors.New("is a directory")
)
