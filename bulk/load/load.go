// Package load puts a cluster under load and measures what it takes: a mix of
// reads, writes and expiries of files of given sizes, by a number of workers as
// fast as they can or at a fixed rate. What is read is compared byte by byte
// with what was written. It is for administrators who size a cluster, and no
// test of correctness under crashes; package cluster has those.
//
//	b, err := load.New(c, load.Config{
//		Prefix: "var/site/storage/dfsctl-bench-1/", Files: 1000, Workers: 16, Duration: time.Minute,
//		Mix: mix, Sizes: sizes,
//	})
//	...
//	if err := load.Claim(ctx, c, prefix); err != nil { ... }    // only ever our own files
//	defer load.Clean(context.WithoutCancel(ctx), c, prefix)
//	if err := b.Fill(ctx, progress); err != nil { ... }
//	report, err := b.Run(ctx, progress)
//
// With a rate, operations begin at fixed times, and their latency counts from
// those: an operation that could not begin because all workers waited for a slow
// one has waited, too (no "coordinated omission"). Without one the latency is
// that of the call alone, since nobody asked for it any earlier. What is still to
// begin when the time is up is done after it, for a while, and counts: else a
// cluster that stalls at the end would look better than one that stalls before.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// Scope is that of the files a bench makes. It tells them from all others.
const Scope = "dfsctl-bench"

// dataType is that of the files, so that nobody spends time on finding it out.
const dataType = "application/octet-stream"

// Target is what is put under load; a [cluster.Cluster] is one.
type Target interface {
	Store(ctx context.Context, path string, body io.Reader, options cluster.StoreOptions) (metadata.Row, error)
	Open(ctx context.Context, path string, options ...cluster.ReadOption) (*cluster.File, error)
	Expire(ctx context.Context, paths ...string) (int64, error)
}

var _ Target = (*cluster.Cluster)(nil)

// Config says what the load is.
type Config struct {
	// Prefix is where the files lie; it ends with a slash.
	Prefix string
	// Files is how many there are.
	Files int
	Mix   Mix
	Sizes Sizes
	// Workers is the number of operations under way at most.
	Workers int
	// Rate is the number of operations that begin a second; 0 for as many as
	// the workers can do.
	Rate float64
	// WarmUp is how long the load goes on before Duration, which is measured.
	WarmUp, Duration time.Duration
}

func (c Config) check() error {
	switch {
	case !strings.HasSuffix(c.Prefix, "/"):
		return fmt.Errorf("load: the prefix %q does not end with a slash", c.Prefix)
	case c.Files < 1:
		return fmt.Errorf("load: %d files are none", c.Files)
	case c.Workers < 1:
		return fmt.Errorf("load: %d workers are none", c.Workers)
	case c.Files < c.Workers:
		return fmt.Errorf("load: %d workers need as many files to write at a time, not %d", c.Workers, c.Files)
	case !(c.Rate >= 0 && c.Rate <= 1e9):
		return fmt.Errorf("load: %v operations a second cannot be", c.Rate)
	case c.Duration <= 0 || c.WarmUp < 0:
		return fmt.Errorf("load: a duration of %v after %v cannot be", c.Duration, c.WarmUp)
	case c.Mix.total() <= 0:
		return fmt.Errorf("load: the mix has no operation")
	case len(c.Sizes) == 0:
		return fmt.Errorf("load: no sizes")
	}
	return nil
}

// Bench is a load on a target. Its methods are called one after the other.
type Bench struct {
	target  Target
	config  Config
	files   *files
	content *content
	tickets atomic.Int64 // operations begun in an open loop
}

// New returns a bench that has done nothing yet.
func New(target Target, config Config) (*Bench, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	return &Bench{target: target, config: config, files: newFiles(config.Prefix, config.Files), content: newContent()}, nil
}

// Fill stores every file once, as many at a time as there are workers. The
// first that fails ends it.
func (b *Bench) Fill(ctx context.Context, progress *bulk.Progress) error {
	progress.Expect(int64(b.config.Files))
	group, filling := errgroup.WithContext(ctx)
	group.SetLimit(b.config.Workers)
	for i := range b.files.slots {
		if filling.Err() != nil {
			break
		}
		group.Go(func() error {
			random := rand.New(rand.NewPCG(uint64(i), 0))
			s := &b.files.slots[i]
			start := time.Now()
			n, err := b.write(filling, s, s.begin(), b.config.Sizes.pick(random))
			if err == nil {
				progress.Add(s.path, n, time.Since(start))
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("store the files: %w", err)
	}
	return ctx.Err()
}

// overtime is how long an operation may go on after the end.
const overtime = 30 * time.Second

// late is the part of the duration in which operations may begin after its end
// that were to begin before it.
const late = 0.05

// Run puts the target under load and reports what was measured. When ctx ends
// before the time is up the report tells of the time until then, and the error
// is that of ctx. Operations that fail are part of the report, not an error;
// what has begun is finished, also after the end. Progress counts operations,
// those of the warm-up too.
func (b *Bench) Run(ctx context.Context, progress *bulk.Progress) (Report, error) {
	start := time.Now()
	r := newRecorder(start.Add(b.config.WarmUp), progress)
	loop, stop := context.WithDeadline(ctx, r.from.Add(b.config.Duration))
	defer stop()
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(loop, func() { time.AfterFunc(overtime, cut) })()
	b.tickets.Store(0)
	last, _ := loop.Deadline()
	last = last.Add(min(time.Duration(late*float64(b.config.Duration)), overtime))
	var group errgroup.Group
	for i := range b.config.Workers {
		group.Go(func() error {
			random := rand.New(rand.NewPCG(uint64(i), uint64(start.UnixNano())))
			for {
				intended, ok := b.turn(loop, start, last)
				if !ok {
					return nil
				}
				if loop.Err() != nil {
					r.late.Add(1)
				}
				b.operate(work, random, r, intended)
			}
		})
	}
	<-loop.Done()
	measured := min(time.Since(r.from), b.config.Duration)
	group.Wait()
	return b.report(r, max(measured, 0)), ctx.Err()
}

// turn waits for the time at which the next operation is to begin, and reports
// false when there is none that can begin until the last moment.
func (b *Bench) turn(ctx context.Context, start, last time.Time) (intended time.Time, ok bool) {
	now := time.Now()
	if b.config.Rate == 0 {
		return now, ctx.Err() == nil
	}
	n := b.tickets.Add(1) - 1
	intended = start.Add(time.Duration(float64(n) / b.config.Rate * float64(time.Second)))
	if wait := intended.Sub(now); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	end, _ := ctx.Deadline()
	inTime := ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) && time.Now().Before(last)
	return intended, inTime && intended.Before(end)
}

// operate does one operation and records it.
func (b *Bench) operate(ctx context.Context, random *rand.Rand, r *recorder, intended time.Time) {
	op := b.config.Mix.pick(random)
	var bytes int64
	var err error
	switch op {
	case Read:
		bytes, err = b.read(ctx, b.files.live(random), r)
	case Expire:
		if s := b.files.claimLive(random); s != nil {
			err = b.expire(ctx, s)
			break
		}
		op = Write // nothing is left to expire
		fallthrough
	case Write:
		s, version := b.files.claim(random)
		bytes, err = b.write(ctx, s, version, b.config.Sizes.pick(random))
	}
	r.record(op, intended, bytes, err)
}

// write stores the next version of a file that was claimed.
func (b *Bench) write(ctx context.Context, s *slot, version uint64, size int64) (int64, error) {
	_, err := b.target.Store(ctx, s.path, b.content.of(s.path, version, size),
		cluster.StoreOptions{Scope: Scope, DataType: dataType, Size: size})
	b.files.wrote(s, version, err)
	if err != nil {
		return 0, err
	}
	return size, nil
}

// expire expires a file that was claimed.
func (b *Bench) expire(ctx context.Context, s *slot) error {
	n, err := b.target.Expire(ctx, s.path)
	known := b.files.expired(s, err)
	if err == nil && n == 0 && known {
		return &WrongError{s.path, "a live file was not there to be expired"}
	}
	return err
}

// read reads a file and compares what it reads with what was written.
func (b *Bench) read(ctx context.Context, s *slot, r *recorder) (int64, error) {
	before := s.look()
	f, err := b.target.Open(ctx, s.path)
	if err != nil {
		if isAbsent(err) {
			r.absent.Add(1)
			return 0, s.mayBeAbsent(before)
		}
		return 0, err
	}
	defer f.Close()
	version, n, err := b.content.check(s.path, f, f.Row.Size)
	if err == nil {
		err = s.mayBe(before, version)
	}
	return n, err
}
