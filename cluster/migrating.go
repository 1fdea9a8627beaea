package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/dispatcher"
	"example.com/ezdfs/metadata"
)

const (
	// secondAfter is how long the store that a path migrates to may take to open a
	// body before the one that it migrates from is asked, too.
	secondAfter = time.Second
	// slowFor is for how long both are asked at once after that has helped.
	slowFor = 5 * time.Second
)

// slow remembers the stores that did not answer in time, by their name.
type slow struct{ until sync.Map }

// patience is how long to wait for a store alone.
func (s *slow) patience(store string) time.Duration {
	if until, known := s.until.Load(store); known && time.Now().Before(until.(time.Time)) {
		return 0
	}
	return secondAfter
}

func (s *slow) note(store string) { s.until.Store(store, time.Now().Add(slowFor)) }

// openBody opens the body of a row. While its path migrates to a store that is
// down or hangs, the one that it migrates from serves what it still has of it.
func (c *Cluster) openBody(ctx context.Context, row metadata.Row, read reading) (backends.Reader, error) {
	first := func(ctx context.Context) (backends.Reader, error) {
		return c.stores.Open(ctx, row.Name, read.offset, read.length)
	}
	route := c.stores.Route(row.Name)
	if route.From == nil || !row.Live() {
		return first(ctx)
	}
	return c.openEither(ctx, route, first, func(ctx context.Context) (backends.Reader, error) {
		return openSecond(ctx, route.From, row, read)
	})
}

// openEither prefers what first opens, unless that takes long and second has the
// body. When both fail, the error is the first's.
func (c *Cluster) openEither(ctx context.Context, route dispatcher.Route, first, second opener) (backends.Reader, error) {
	name := route.Backend.Name()
	a := startOpening(ctx, first)
	timer := time.NewTimer(c.slow.patience(name))
	defer timer.Stop()
	var got *opened
	select {
	case got = <-a.done:
		if !errors.Is(got.err, backends.ErrUnavailable) {
			return got.reader()
		}
	case <-timer.C:
	}
	b := startOpening(ctx, second)
	if got == nil {
		select {
		case got = <-a.done:
			if !errors.Is(got.err, backends.ErrUnavailable) {
				b.discard()
				return got.reader()
			}
		case other := <-b.done:
			if other.err != nil {
				return (<-a.done).reader()
			}
			c.slow.note(name)
			a.discard()
			return other.reader()
		}
	}
	if other := <-b.done; other.err == nil {
		c.slow.note(name)
		return other.reader()
	}
	return got.reader()
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
		return nil, fmt.Errorf("%s holds an outdated body of %q", from.Name(), row.Name)
	}
	return body, nil
}

// opener opens a body.
type opener func(context.Context) (backends.Reader, error)

// opening is a body that is being opened.
type opening struct {
	done   chan *opened
	cancel context.CancelFunc
}

// opened is what came of it.
type opened struct {
	body   backends.Reader
	err    error
	cancel context.CancelFunc
}

func startOpening(ctx context.Context, open opener) *opening {
	ctx, cancel := context.WithCancel(ctx)
	o := &opening{make(chan *opened, 1), cancel}
	go func() {
		body, err := open(ctx)
		if err != nil {
			cancel()
		}
		o.done <- &opened{body, err, cancel}
	}()
	return o
}

// discard ends what nobody waits for any more.
func (o *opening) discard() {
	o.cancel()
	go func() {
		if got := <-o.done; got.err == nil {
			got.body.Close()
		}
	}()
}

// reader is the body, which ends its context when it is closed.
func (o *opened) reader() (backends.Reader, error) {
	if o.err != nil {
		return nil, o.err
	}
	r := cancelled{o.body, o.cancel}
	if to, direct := o.body.(io.WriterTo); direct {
		return cancelledDirect{r, to}, nil
	}
	return r, nil
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
