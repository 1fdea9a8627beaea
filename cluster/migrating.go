package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

const (
	// secondAfter is how long the store that a path migrates to may take to open a
	// body before the one that it migrates from is asked, too.
	secondAfter = time.Second
	// slowFor is for how long both are asked at once after that has helped.
	slowFor = 5 * time.Second
	// maxLeft is how many openings of a store may hang that nobody waits for any
	// more. A network mount whose server is gone heeds no context, and each of them
	// holds a thread.
	maxLeft = 256
)

// slow remembers the stores that did not answer in time, by their name.
type slow struct{ stores sync.Map }

func (s *slow) of(name string) *slowStore {
	known, ok := s.stores.Load(name)
	if !ok {
		known, _ = s.stores.LoadOrStore(name, &slowStore{name: name})
	}
	return known.(*slowStore)
}

// slowStore is what is known of one of them.
type slowStore struct {
	name  string
	until atomic.Int64 // both are asked at once, in nanoseconds of Unix time; 0 for not
	left  atomic.Int64 // openings that hang and that nobody waits for
}

// headStart is how long a store is waited for alone: not at all while it is known
// to be slow. When that is over one reader finds out whether it still is. seen is
// what lateFor takes.
func (s *slowStore) headStart() (alone time.Duration, seen int64) {
	until, now := s.until.Load(), time.Now()
	if until == 0 {
		return secondAfter, 0
	}
	next := now.Add(slowFor).UnixNano()
	if now.UnixNano() < until || !s.until.CompareAndSwap(until, next) {
		return 0, until
	}
	return secondAfter, next
}

// judge notes how a store did that was waited for alone. What it did when both
// were asked at once tells nothing: the other one may only have been faster.
func (s *slowStore) judge(alone time.Duration, answered bool) {
	switch {
	case alone == 0:
	case !answered:
		s.until.Store(time.Now().Add(slowFor).UnixNano())
	case s.until.Load() != 0:
		s.until.Store(0)
	}
}

// lateFor notes that a store did not answer in its head start, and reports whether
// that is news: of all who waited for it at the same time one says so.
func (s *slowStore) lateFor(alone time.Duration, seen int64) bool {
	return alone > 0 && s.until.CompareAndSwap(seen, time.Now().Add(slowFor).UnixNano())
}

// source is a body and where it comes from.
type source struct {
	backends.Reader
	from    backends.Backend // nil where that is not known
	instead error            // see File.Instead
}

// openOnce opens the body of a row. While its path migrates to a store that is
// down or hangs, the one that it migrates from serves what it still has of it.
func (c *Cluster) openOnce(ctx context.Context, row metadata.Row, read reading) (source, error) {
	route := c.stores.Route(row.Name)
	if route.From == nil {
		body, err := route.Backend.Open(ctx, row.Name, read.offset, read.length)
		return source{Reader: body, from: route.Backend}, err
	}
	if !row.Live() {
		body, err := c.stores.Open(ctx, row.Name, read.offset, read.length)
		return source{Reader: body}, err
	}
	on := func(b backends.Backend) opener {
		return opener{b, func(ctx context.Context) (backends.Reader, error) {
			return b.Open(ctx, row.Name, read.offset, read.length)
		}}
	}
	got := c.openEither(ctx, on(route.Backend), opener{route.From, func(ctx context.Context) (backends.Reader, error) {
		return openSecond(ctx, route.From, row, read)
	}})
	// As the dispatcher looks for a body: it has yet to migrate, or has done so in
	// between. Each store is asked by itself, so that one that hangs is known.
	for _, b := range []backends.Backend{route.From, route.Backend} {
		if errors.Is(got.err, fs.ErrNotExist) {
			if b == route.From && read.onSecond != nil {
				read.onSecond()
			}
			got = c.slow.start(ctx, on(b)).wait(ctx)
		}
	}
	return got.source()
}

// OpenSecond opens the file of a row on the store that its path migrates from, if
// that still has what the row tells of, and asks no other store: for those who know
// that the one it migrates to does not answer ([File.Instead]). Where the path does
// not migrate, or there is no such body, the error is fs.ErrNotExist.
func (c *Cluster) OpenSecond(ctx context.Context, row metadata.Row, options ...ReadOption) (*File, error) {
	route := c.stores.Route(row.Name)
	if route.From == nil || !row.Live() {
		return nil, fmt.Errorf("open %q: %w", row.Name, fs.ErrNotExist)
	}
	read := newReading(options)
	got, err := c.slow.start(ctx, opener{route.From, func(ctx context.Context) (backends.Reader, error) {
		return openSecond(ctx, route.From, row, read)
	}}).wait(ctx).source()
	if err != nil {
		return nil, err
	}
	return read.file(row, got), nil
}

// openEither prefers what first opens, unless that takes long and second has the
// body. When both fail, the error is the first's.
func (c *Cluster) openEither(ctx context.Context, first, second opener) *opened {
	store := c.slow.of(first.from.Name())
	alone, seen := store.headStart()
	a := c.slow.start(ctx, first)
	timer := time.NewTimer(alone)
	defer timer.Stop()
	var got *opened
	select {
	case got = <-a.done:
		if !errors.Is(got.err, backends.ErrUnavailable) {
			if ctx.Err() == nil {
				store.judge(alone, true)
			}
			return got
		}
	case <-timer.C:
	case <-ctx.Done():
		a.discard()
		return &opened{err: ctx.Err()}
	}
	b := c.slow.start(ctx, second)
	if got == nil {
		select {
		case got = <-a.done:
			if !errors.Is(got.err, backends.ErrUnavailable) {
				b.discard()
				return got
			}
		case other := <-b.done:
			if other.err != nil {
				return a.wait(ctx)
			}
			a.discard()
			if other.instead = errFaster; store.lateFor(alone, seen) {
				other.instead = store.silent()
			}
			return other
		case <-ctx.Done():
			a.discard()
			b.discard()
			return &opened{err: ctx.Err()}
		}
	}
	if other := b.wait(ctx); other.err == nil {
		store.judge(alone, false)
		other.instead = got.err
		return other
	}
	return got
}

// openSecond opens what a store still has of a path that migrates to another one,
// if it is the body that the row tells of. What a writer replaced was deleted there;
// only where that failed it is out of date, and then older than the row, or of
// another size.
func openSecond(ctx context.Context, from backends.Backend, row metadata.Row, read reading) (backends.Reader, error) {
	body, err := from.Open(ctx, row.Name, read.offset, read.length)
	if err != nil {
		return nil, err
	}
	if info := body.Info(); info.Size != row.Size || info.ModTime.Unix() < row.MTime {
		body.Close()
		return nil, fmt.Errorf("%s holds an outdated body of %q: %w", from.Name(), row.Name, fs.ErrNotExist)
	}
	return body, nil
}

// silent is the error of a store that has had its head start.
func (s *slowStore) silent() error {
	return &backends.Error{Backend: s.name, Op: "open", Kind: backends.ErrUnavailable, Retry: true,
		Err: fmt.Errorf("no answer for %v", secondAfter)}
}

// errFaster says that two stores were asked at once.
var errFaster = errors.New("another store was faster")

// opener opens a body of a store.
type opener struct {
	from backends.Backend
	open func(context.Context) (backends.Reader, error)
}

// opening is a body that is being opened.
type opening struct {
	store  *slowStore
	done   chan *opened
	cancel context.CancelFunc
}

// opened is what came of it.
type opened struct {
	body    backends.Reader
	from    backends.Backend
	err     error
	cancel  context.CancelFunc
	instead error // why it is not of the store that was to have it
}

// start begins to open a body.
func (s *slow) start(ctx context.Context, what opener) *opening {
	ctx, cancel := context.WithCancel(ctx)
	store := s.of(what.from.Name())
	o := &opening{store, make(chan *opened, 1), cancel}
	if n := store.left.Load(); n >= maxLeft {
		err := fmt.Errorf("%d readers gave up waiting for it to open a file", n)
		o.done <- &opened{err: &backends.Error{Backend: store.name, Op: "open", Kind: backends.ErrUnavailable, Err: err, Retry: true}}
		cancel()
		return o
	}
	go func() {
		body, err := recovered(ctx, what.open)
		if err != nil {
			cancel()
		}
		o.done <- &opened{body: body, from: what.from, err: err, cancel: cancel}
	}()
	return o
}

// recovered makes an error of a panic, which would end the process here.
func recovered(ctx context.Context, open func(context.Context) (backends.Reader, error)) (body backends.Reader, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return open(ctx)
}

// wait waits for the body, or until ctx is done, whatever the store makes of that.
func (o *opening) wait(ctx context.Context) *opened {
	select {
	case got := <-o.done:
		return got
	case <-ctx.Done():
		o.discard()
		return &opened{err: ctx.Err()}
	}
}

// discard ends what nobody waits for any more.
func (o *opening) discard() {
	o.cancel()
	o.store.left.Add(1)
	go func() {
		defer o.store.left.Add(-1)
		if got := <-o.done; got.err == nil {
			got.body.Close()
		}
	}()
}

// source is the body, which ends its context when it is closed.
func (o *opened) source() (source, error) {
	if o.err != nil {
		return source{}, o.err
	}
	var body backends.Reader = cancelled{o.body, o.cancel}
	if to, direct := o.body.(io.WriterTo); direct {
		body = cancelledDirect{cancelled{o.body, o.cancel}, to}
	}
	return source{body, o.from, o.instead}, nil
}

type cancelled struct {
	backends.Reader
	cancel context.CancelFunc
}

func (r cancelled) Close() error {
	defer r.cancel()
	return r.Reader.Close()
}

// cancelledDirect is a body that knows how to write itself to a connection.
type cancelledDirect struct {
	cancelled
	io.WriterTo
}
