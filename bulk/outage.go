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

// Service is something besides the stores and the database of the cluster that
// every file of an operation needs, such as where it comes from.
type Service struct {
	Name string
	// Ping asks whether it is there.
	Ping func(context.Context) error
	// Silent tells the errors which say that it does not answer.
	Silent func(error) bool
}

// service is a store, the database, the local disk or a Service.
type service struct {
	Service      // Ping and Silent are nil for the local disk, Silent for stores
	every   bool // file needs it

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

// NewOutages returns the Outages of one operation, which counts in progress and
// needs the services of the cluster and others.
func NewOutages(c *cluster.Cluster, waiting Waiting, progress *Progress, others ...Service) *Outages {
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
		o.services = append(o.services, &service{Service: Service{Name: b.Name(), Ping: b.Ping}})
	}
	for _, other := range append(others, Service{database, c.Metadata().Ping, databaseSilent}, Service{Name: localDisk}) {
		o.services = append(o.services, &service{Service: other, every: true})
	}
	return o
}

func (o *Outages) named(name string) *service {
	for _, s := range o.services {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func databaseSilent(err error) bool {
	return errors.Is(err, metadata.ErrUnavailable) || errors.Is(err, metadata.ErrOutcomeUnknown)
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
		case broken && s.every:
			return true
		case !broken && !s.every:
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
		needed := s.every || s.Name == route.Backend.Name() || route.From != nil && s.Name == route.From.Name()
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
	if o.Silent(err) && tries < maxAgain && o.answers(ctx, s, err, begun) {
		return true
	}
	switch {
	case ctx.Err() != nil:
	case s.err() != nil && o.Silent(err):
		o.leave(s)
	default:
		o.progress.Fail(path, err)
		if n := s.inARow.Add(1); s.Name == localDisk {
			s.giveUp(err)
		} else if n >= maxInARow {
			s.giveUp(fmt.Errorf("%d files in a row failed, the last one: %w", n, err))
		}
	}
	return false
}

// Silent tells the errors of a service that does not answer.
func (o *Outages) Silent(err error) bool {
	return errors.Is(err, backends.ErrUnavailable) || o.silentForAll(err) != nil
}

// silentForAll returns the service that every file needs and that an error says
// does not answer.
func (o *Outages) silentForAll(err error) *service {
	for _, s := range o.services {
		if s.Silent != nil && s.Silent(err) {
			return s
		}
	}
	return nil
}

// blame returns the service that an error says something of, nil for an error that
// is the file's own.
func (o *Outages) blame(path string, err error) *service {
	if s := o.silentForAll(err); s != nil {
		return s
	}
	var store *backends.Error
	switch {
	case errors.As(err, &store):
		if store.Kind != nil && !o.Silent(err) && !errors.Is(err, backends.ErrNoSpace) && !errors.Is(err, fs.ErrPermission) {
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
		err := s.Ping(ctx)
		waited := time.Since(start)
		switch {
		case ctx.Err() != nil:
			return false
		case err == nil:
			s.mu.Lock()
			s.asked = time.Now()
			s.mu.Unlock()
			if told {
				o.waiting.Logger.WarnContext(ctx, "answers again", "service", s.Name, "waited", waited.Round(time.Second))
			}
			return true
		case waited >= o.waiting.Patience:
			if o.Silent(err) {
				cause = err // names no file
			}
			s.giveUp(cause)
			return false
		case !told && waited > time.Second:
			told = true
			o.waiting.Logger.WarnContext(ctx, "waiting", "service", s.Name, "patience", o.waiting.Patience, "error", err)
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
	if s := o.silentForAll(err); s != nil && s.err() != nil {
		o.early.Store(true)
		err = nil // it says the same
	}
	for _, s := range o.services {
		if broken := s.err(); broken != nil {
			all = append(all, &OutageError{Service: s.Name, Left: s.left.Load(), Early: o.early.Load(), Err: broken})
		}
	}
	return errors.Join(append(all, err, o.progress.Err(what))...)
}
