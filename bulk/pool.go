package bulk

import (
	"cmp"
	"context"
	"io"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"example.com/ezdfs/backends"
)

// Limits say how hard an operation works. The zero value has as many workers
// as make it faster, and no other limit.
type Limits struct {
	// Workers is the number of elements, or batches, that are worked on at a
	// time. With 0 it is found while the work goes on: more while that makes
	// it faster, half as many when a store says that it is too much.
	Workers int
	// Rate is the number of files a second, 0 for no limit.
	Rate float64
	// Bandwidth is the number of bytes a second, 0 for no limit.
	Bandwidth int64
}

// maxWorkers is how many workers there are at most when nobody says how many.
const maxWorkers = 64

// Pool has the workers of an operation and its limits. Each and Batches hand
// it elements; several of them may share one Pool, at the same time too.
type Pool struct {
	progress *Progress
	files    *rate.Limiter // nil for no limit
	bytes    *rate.Limiter

	mu      sync.Mutex
	working int
	limit   int
	free    chan struct{} // holds a token when a place may be free

	climb *climber     // nil when the number of workers is given
	moved atomic.Int64 // bytes
}

// NewPool returns a Pool that tells progress how it fares; nil for nobody.
func NewPool(limits Limits, progress *Progress) *Pool {
	if progress == nil {
		progress = new(Progress)
	}
	p := &Pool{progress: progress, limit: limits.Workers, free: make(chan struct{}, 1)}
	if limits.Workers <= 0 {
		p.climb = newClimber(min(4*runtime.GOMAXPROCS(0), maxWorkers), maxWorkers, time.Now())
		p.limit = p.climb.limit
	}
	// A burst of a quarter of a second keeps the pace even and the waits few.
	if limits.Rate > 0 {
		p.files = rate.NewLimiter(rate.Limit(limits.Rate), max(1, int(limits.Rate/4)))
	}
	if limits.Bandwidth > 0 {
		p.bytes = rate.NewLimiter(rate.Limit(limits.Bandwidth), int(max(1, limits.Bandwidth/4)))
	}
	progress.workers.Store(int64(p.limit))
	return p
}

// Each hands the elements of source to workers, one at a time. It stops at the
// first error of the source or of work, or when ctx is done, and returns when
// no worker works any more. An element that failed and should not stop the
// others is told to Progress.Fail instead.
func Each[T any](ctx context.Context, p *Pool, source iter.Seq2[T, error], work func(context.Context, T) error) error {
	return run(ctx, p, source, func(T) int { return 1 }, work)
}

// Batches is Each with up to p.BatchSize(size) elements at a time. The rate counts
// elements.
func Batches[T any](ctx context.Context, p *Pool, size int, source iter.Seq2[T, error], work func(context.Context, []T) error) error {
	return run(ctx, p, chunks(source, p.BatchSize(size)), func(batch []T) int { return len(batch) }, work)
}

// BatchSize is size, or what the rate lets pass in a second where that is less:
// else a slow operation would wait long and then do much at once.
func (p *Pool) BatchSize(size int) int {
	if p.files == nil {
		return size
	}
	return min(size, max(1, int(min(p.files.Limit(), 1<<30))))
}

// Weighted is Each with elements that stand for as many files as files says,
// which the rate counts.
func Weighted[T any](ctx context.Context, p *Pool, source iter.Seq2[T, error], files func(T) int, work func(context.Context, T) error) error {
	return run(ctx, p, source, files, work)
}

func run[T any](ctx context.Context, p *Pool, source iter.Seq2[T, error], files func(T) int, work func(context.Context, T) error) error {
	ctx = backends.WithThrottleNotice(ctx, func() { p.progress.throttled.Add(1) })
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for element, err := range source {
			if err != nil {
				return err
			}
			n := files(element)
			if err := p.admit(ctx, n); err != nil {
				return err
			}
			group.Go(func() error {
				defer p.leave(n)
				return work(ctx, element)
			})
		}
		return ctx.Err()
	})
	return group.Wait()
}

// chunks yields what source yields, size elements at a time.
func chunks[T any](source iter.Seq2[T, error], size int) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		var batch []T
		for element, err := range source {
			if err != nil {
				yield(nil, err)
				return
			}
			if batch = append(batch, element); len(batch) >= size {
				if !yield(batch, nil) {
					return
				}
				batch = nil
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// Paced reports whether there is a limit of bandwidth. Where there is none a
// body need not go through Reader, which would hide what else it can do.
func (p *Pool) Paced() bool { return p.bytes != nil }

// Wait waits until the bandwidth lets so many bytes pass. Whoever moves a body
// calls it before, or where it is Paced and the body large, reads it by Reader.
func (p *Pool) Wait(ctx context.Context, bytes int64) error {
	p.moved.Add(bytes)
	return wait(ctx, p.bytes, bytes)
}

// Reader reads r as fast as the bandwidth allows.
func (p *Pool) Reader(ctx context.Context, r io.Reader) io.Reader {
	return &pacedReader{ctx: ctx, pool: p, r: r}
}

type pacedReader struct {
	ctx  context.Context
	pool *Pool
	r    io.Reader
}

func (r *pacedReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if waited := r.pool.Wait(r.ctx, int64(n)); waited != nil {
		return n, waited
	}
	return n, err
}

// wait waits for n tokens, however few the limiter gives at once.
func wait(ctx context.Context, l *rate.Limiter, n int64) error {
	for l != nil && n > 0 {
		some := min(n, int64(l.Burst()))
		if err := l.WaitN(ctx, int(some)); err != nil {
			return cmp.Or(ctx.Err(), context.DeadlineExceeded) // it knows before we do
		}
		n -= some
	}
	return ctx.Err()
}

// admit waits until work on so many files may begin.
func (p *Pool) admit(ctx context.Context, files int) error {
	if err := wait(ctx, p.files, int64(files)); err != nil {
		return err
	}
	for !p.enter() {
		select {
		case <-p.free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// enter takes a place, if there is one.
func (p *Pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.working >= p.limit {
		return false
	}
	p.working++
	p.tellFree()
	return true
}

// tellFree wakes one who waits for a place, who wakes the next one.
func (p *Pool) tellFree() {
	if p.working < p.limit {
		select {
		case p.free <- struct{}{}:
		default:
		}
	}
}

// leave gives a place back, and finds out whether more or fewer would be
// better.
func (p *Pool) leave(files int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.working--
	if p.climb != nil {
		p.limit = p.climb.finished(time.Now(), files, p.moved.Load(), p.progress.throttled.Load())
		p.progress.workers.Store(int64(p.limit))
	}
	p.tellFree()
}
