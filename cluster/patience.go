package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// The pauses between two attempts at a store that does not answer.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// patience is what a read has for a store that does not answer: it waits until the
// store has been silent for too long.
type patience struct {
	most  time.Duration // 0 for none
	since time.Time     // when the store failed; zero while it answers
	pause time.Duration
}

// silent tells errors of a store that does not answer, and may do so later.
func silent(err error) bool {
	return errors.Is(err, backends.ErrUnavailable) && backends.IsRetryable(err)
}

// waitedError says for how long a store was waited for in vain.
type waitedError struct {
	most time.Duration
	err  error
}

func (e *waitedError) Error() string { return fmt.Sprintf("for %s: %v", e.most, e.err) }
func (e *waitedError) Unwrap() error { return e.err }

func isWaited(err error) bool {
	_, waited := errors.AsType[*waitedError](err)
	return waited
}

// wait pauses after err, and returns nil when it is time for another attempt.
// Otherwise there is none, for the reason that it returns.
func (p *patience) wait(ctx context.Context, err error) error {
	if p.most <= 0 || !silent(err) {
		return err
	}
	if p.since.IsZero() {
		p.since, p.pause = time.Now(), firstPause
	}
	left := p.most - time.Since(p.since)
	if left <= 0 {
		return &waitedError{p.most, err}
	}
	// All who read are at it: not in step.
	pause := min(left, p.pause/2+rand.N(p.pause))
	p.pause = min(2*p.pause, lastPause)
	if ended := sleep(ctx, pause); ended != nil {
		return fmt.Errorf("%w while waiting: %w", ended, err)
	}
	return nil
}

// answered notes that the store has.
func (p *patience) answered() { p.since = time.Time{} }

// impatient is for reads that whoever makes them can do without.
func impatient(r *reading) { r.impatient = true }

// errOutdated says that a row has changed while a store was waited for.
var errOutdated = errors.New("the row has changed meanwhile")

// openBody opens the body of a row. It waits for a store that does not answer, as
// Read does of what it returns. What the row says may be a minute old then: where
// it is not what the database says now, the error is errOutdated.
func (c *Cluster) openBody(ctx context.Context, row metadata.Row, read reading) (source, error) {
	p := patience{most: c.patience}
	if read.impatient {
		p.most = 0
	}
	for waited := false; ; waited = true {
		body, err := c.openOnce(ctx, row, read)
		if err == nil && waited && c.outdated(ctx, row) {
			body.Close()
			return source{}, errOutdated
		}
		if err == nil {
			return p.lend(ctx, body, row.Name, read), nil
		}
		if err := p.wait(ctx, err); err != nil {
			return source{}, err
		}
	}
}

// outdated reports whether the database has another row, or none. A database that
// cannot tell is not waited for.
func (c *Cluster) outdated(ctx context.Context, row metadata.Row) bool {
	now, err := c.meta.Get(ctx, row.Name)
	return err == nil && now != row || errors.Is(err, fs.ErrNotExist)
}

// lend returns a body that its reader need not give up when its store does not go
// on. A file on a mount is its kernel's business, and leaves by sendfile.
func (p patience) lend(ctx context.Context, body source, path string, read reading) source {
	if _, file := body.Reader.(io.WriterTo); file || body.from == nil || p.most <= 0 {
		return body
	}
	p.answered()
	body.Reader = &enduring{Reader: body.Reader, ctx: ctx, from: body.from, path: path, reading: read, patience: p}
	return body
}

// enduring is a body that is taken up where its store stopped: the same one, or
// none.
type enduring struct {
	backends.Reader
	ctx  context.Context // of Open: Read has none
	from backends.Backend
	path string
	reading
	read     int64
	patience patience
	broken   error // why Reader does not go on
}

// Read implements io.Reader.
func (r *enduring) Read(p []byte) (int, error) {
	for {
		if r.broken == nil {
			n, err := r.Reader.Read(p)
			if n > 0 {
				r.read += int64(n)
				r.patience.answered()
			}
			if r.patience.most <= 0 || !silent(err) {
				return n, err
			}
			if r.broken = err; n > 0 {
				return n, nil
			}
		}
		if err := r.patience.wait(r.ctx, r.broken); err != nil {
			return 0, err
		}
		if err := r.reopen(); err != nil {
			return 0, err
		}
	}
}

// reopen asks for the rest, unless the store still does not answer.
func (r *enduring) reopen() error {
	rest := r.length
	if rest >= 0 {
		rest -= r.read
	}
	body, err := r.from.Open(r.ctx, r.path, r.offset+r.read, rest)
	switch {
	case silent(err):
		r.broken = err
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return r.changed(err)
	case err != nil:
		return err
	case body.Info().Version != r.Info().Version || body.Info().Version == "": // of a service that does not tell
		body.Close()
		return r.changed(nil)
	}
	r.Reader.Close()
	r.Reader, r.broken = body, nil
	return nil
}

// changed says that what was begun to be read is no longer there.
func (r *enduring) changed(err error) error {
	return &backends.Error{Backend: r.from.Name(), Op: "read", Path: r.path, Kind: backends.ErrChanged, Err: err, Retry: true}
}
