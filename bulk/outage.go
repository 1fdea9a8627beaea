package bulk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// Waiting says what is done about a store or database that does not answer. The
// zero value waits for a minute.
type Waiting struct {
	// Patience is how long it is waited for; negative for not at all.
	Patience time.Duration
	// Logger, when set, is told what is waited for.
	Logger *slog.Logger
}

const (
	defaultPatience = time.Minute
	// maxAgain is how often a file is tried again after its store answered.
	maxAgain = 3
	// maxInARow is how many files a store may refuse, one after the other, before
	// it is taken to refuse all.
	maxInARow = maxFailures

	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// OutageError says that files were left since a service that they need does not
// answer, or refuses everything.
type OutageError struct {
	Service string // a backend, "database" or "local disk"
	Left    int64  // files that were not tried
	Early   bool   // the operation ended before all files were looked at
	Err     error  // what the service said last
}

func (e *OutageError) Error() string {
	left := fmt.Sprintf("%d files were left", e.Left)
	switch {
	case e.Early:
		left = "ended early"
	case e.Left == 1:
		left = "1 file was left"
	}
	return fmt.Sprintf("%s; once %s works again, the same command goes on: %v", left, e.Service, e.Err)
}

// Unwrap makes what the service said reachable.
func (e *OutageError) Unwrap() error { return e.Err }

// Outages notes which services do not work, so that an operation leaves the files
// that need one, instead of failing at each of millions, and goes on with the
// others. What does not answer is waited for first: most are back in a moment.
type Outages struct {
	c        *cluster.Cluster
	progress *Progress
	waiting  Waiting
	services []*service
	trouble  atomic.Bool // there was any
	early    atomic.Bool
}

// service is a store, the database or the local disk.
type service struct {
	name string
	ping func(context.Context) error // nil where there is none

	asking sync.Mutex // whoever waits for it
	inARow atomic.Int64
	left   atomic.Int64

	mu     sync.Mutex
	asked  time.Time // when it answered last
	broken error     // why it is given up
}

// The services that are no backends.
const (
	database  = "database"
	localDisk = "local disk"
)

// NewOutages returns the Outages of one operation, which counts in progress.
func NewOutages(c *cluster.Cluster, waiting Waiting, progress *Progress) *Outages {
	switch {
	case waiting.Patience == 0:
		waiting.Patience = defaultPatience
	case waiting.Patience < 0:
		waiting.Patience = 0
	}
	if waiting.Logger == nil {
		waiting.Logger = slog.New(slog.DiscardHandler)
	}
	o := &Outages{c: c, progress: progress, waiting: waiting}
	for _, b := range c.Stores().Backends() {
		o.services = append(o.services, &service{name: b.Name(), ping: b.Ping})
	}
	o.services = append(o.services, &service{name: database, ping: c.Metadata().Ping}, &service{name: localDisk})
	return o
}

func (o *Outages) named(name string) *service {
	for _, s := range o.services {
		if s.name == name {
			return s
		}
	}
	return nil
}

func (s *service) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

func (s *service) giveUp(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = err
	}
}

// Present leaves out the files that need what does not work, and ends where
// nothing is left that does.
func Present[T any](o *Outages, source iter.Seq2[T, error], path func(T) string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for element, err := range source {
			if o.over() {
				o.early.Store(true)
				return
			}
			if err == nil && o.Leaves(path(element)) {
				continue
			}
			if !yield(element, err) {
				return
			}
		}
	}
}

// over reports whether no file can be worked on any more.
func (o *Outages) over() bool {
	if !o.trouble.Load() {
		return false
	}
	stores := 0
	for _, s := range o.services {
		switch broken := s.err() != nil; {
		case broken && s.ping != nil && s.name != database:
		case broken:
			return true
		case s.name != database && s.name != localDisk:
			stores++
		}
	}
	return stores == 0
}

// Leaves reports whether a file is left, and counts it.
func (o *Outages) Leaves(path string) bool {
	if !o.trouble.Load() {
		return false
	}
	route := o.c.Stores().Route(path)
	for _, s := range o.services {
		needed := s.name == database || s.name == localDisk || s.name == route.Backend.Name() ||
			route.From != nil && s.name == route.From.Name()
		if needed && s.err() != nil {
			o.leave(s)
			return true
		}
	}
	return false
}

// leave counts a file that is left since a service does not work.
func (o *Outages) leave(s *service) {
	s.left.Add(1)
	o.progress.left.Add(1)
}

// Worked notes that a file's store took it.
func (o *Outages) Worked(path string) {
	if !o.trouble.Load() {
		return
	}
	if s := o.named(o.c.Stores().Route(path).Backend.Name()); s != nil {
		s.inARow.Store(0)
	}
}

// Again judges why a file failed that was begun at a time, and reports whether it
// is to be tried once more. If not it is counted, unless ctx is done.
func (o *Outages) Again(ctx context.Context, path string, err error, begun time.Time, tries int) bool {
	s := o.blame(path, err)
	if s == nil {
		if ctx.Err() == nil {
			o.progress.Fail(path, err)
		}
		return false
	}
	o.trouble.Store(true)
	if silent(err) && tries < maxAgain && o.answers(ctx, s, err, begun) {
		return true
	}
	switch {
	case ctx.Err() != nil:
	case s.err() != nil && silent(err):
		o.leave(s)
	default:
		o.progress.Fail(path, err)
		if n := s.inARow.Add(1); s.name == localDisk {
			s.giveUp(err)
		} else if n >= maxInARow {
			s.giveUp(fmt.Errorf("%d files in a row failed, the last one: %w", n, err))
		}
	}
	return false
}

// silent tells errors of a service that does not answer.
func silent(err error) bool {
	return errors.Is(err, backends.ErrUnavailable) || errors.Is(err, metadata.ErrUnavailable)
}

// blame returns the service that an error says something of, nil for an error that
// is the file's own.
func (o *Outages) blame(path string, err error) *service {
	var store *backends.Error
	switch {
	case errors.Is(err, metadata.ErrUnavailable):
		return o.named(database)
	case errors.As(err, &store):
		if store.Kind != nil && !silent(err) && !errors.Is(err, backends.ErrNoSpace) && !errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if s := o.named(store.Backend); s != nil {
			return s
		}
		return o.named(o.c.Stores().Route(path).Backend.Name())
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EROFS):
		return o.named(localDisk)
	}
	return nil
}

// answers waits until a service answers, and gives it up when it does not. Of
// several workers one asks.
func (o *Outages) answers(ctx context.Context, s *service, cause error, begun time.Time) bool {
	s.asking.Lock()
	defer s.asking.Unlock()
	s.mu.Lock()
	known, broken := s.asked.After(begun), s.broken
	s.mu.Unlock()
	if known || broken != nil {
		return known && broken == nil
	}
	start, told := time.Now(), false
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if sleep(ctx, pause) != nil {
			return false
		}
		err := s.ping(ctx)
		waited := time.Since(start)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			s.mu.Lock()
			s.asked = time.Now()
			s.mu.Unlock()
			if told {
				o.waiting.Logger.WarnContext(ctx, "answers again", "service", s.name, "waited", waited.Round(time.Second))
			}
			return true
		case waited >= o.waiting.Patience:
			if silent(err) {
				cause = err // names no file
			}
			s.giveUp(cause)
			return false
		case !told && waited > time.Second:
			told = true
			o.waiting.Logger.WarnContext(ctx, "waiting", "service", s.name, "patience", o.waiting.Patience, "error", err)
		}
	}
}

// persist does something with the database, and once more when that answers again.
func (o *Outages) persist(ctx context.Context, do func() error) error {
	for tries := 0; ; tries++ {
		begun := time.Now()
		err := do()
		if !errors.Is(err, metadata.ErrUnavailable) || tries == maxAgain {
			return err
		}
		o.trouble.Store(true)
		if !o.answers(ctx, o.named(database), err, begun) {
			return err
		}
	}
}

// Result says how the operation went: what ended it, what was left, and that
// files failed.
func (o *Outages) Result(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return err
	}
	var all []error
	if down := o.named(database).err(); down != nil && errors.Is(err, metadata.ErrUnavailable) {
		o.early.Store(true)
		err = nil // it says the same
	}
	for _, s := range o.services {
		if broken := s.err(); broken != nil {
			all = append(all, &OutageError{Service: s.name, Left: s.left.Load(), Early: o.early.Load(), Err: broken})
		}
	}
	return errors.Join(append(all, err, o.progress.Err(what))...)
}
