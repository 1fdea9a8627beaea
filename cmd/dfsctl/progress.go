package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"example.com/ezdfs/bulk"
)

// bulkRun is a bulk operation as its command shows it.
type bulkRun struct {
	a        *app
	verb     string // "stored"
	progress *bulk.Progress
	// count counts the files in advance, for the ETA; nil where that costs as
	// much as the work.
	count func(context.Context) (int64, error)
}

// run does the work, with a progress bar where somebody can see one, and tells
// how it went.
func (r *bulkRun) run(ctx context.Context, work func(context.Context) error) error {
	start := time.Now()
	stop := func() {}
	if r.a.showsProgress() {
		stop = r.watch(ctx)
	}
	err := work(ctx)
	stop()
	return r.finish(ctx, err, time.Since(start))
}

// showsProgress: on a terminal and unless told not to.
func (a *app) showsProgress() bool {
	f, ok := a.stderr.(*os.File)
	return ok && !a.noProgress && term.IsTerminal(int(f.Fd()))
}

// watch draws the bar until the function it returns is called.
func (r *bulkRun) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	bar := progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(r.a.stderr), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(20),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("files"),
		progressbar.OptionSetSpinnerChangeInterval(0))
	var running sync.WaitGroup
	running.Go(func() { r.draw(ctx, bar) })
	return func() {
		cancel()
		running.Wait()
		bar.Finish()
	}
}

func (r *bulkRun) draw(ctx context.Context, bar *progressbar.ProgressBar) {
	total := make(chan int64, 1)
	if r.count != nil {
		go func() {
			if n, err := r.count(ctx); err == nil {
				total <- n
			}
		}()
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for limit := int64(-1); ; {
		select {
		case <-ctx.Done():
			return
		case limit = <-total:
			bar.ChangeMax64(max(limit, 1))
		case <-tick.C:
			now := r.progress.Snapshot()
			bar.Describe(fmt.Sprintf("%s %s, %d failed", r.verb, megabytes(now.Bytes), now.Failed))
			done := now.Total()
			if limit >= 0 {
				done = min(done, limit-1) // the bar ends when the work does
			}
			bar.Set64(max(done, 0))
		}
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// summary is what a bulk operation did, as JSON shows it.
type summary struct {
	bulk.Snapshot
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"files_per_second"`
}

// pace is how long it took, and how fast that is where it took long enough to
// mean something.
func (s summary) pace() string {
	if s.Seconds < 1 {
		return fmt.Sprintf("%.0f ms", s.Seconds*1e3)
	}
	return fmt.Sprintf("%.1f s, %.0f files/s", s.Seconds, s.Rate)
}

// finish prints the failures and the summary, and says whether to go on.
func (r *bulkRun) finish(ctx context.Context, err error, took time.Duration) error {
	s := summary{Snapshot: r.progress.Snapshot(), Seconds: took.Seconds()}
	s.Rate = float64(s.Total()) / max(s.Seconds, 1e-9)
	for _, failure := range r.progress.Failures() {
		r.a.note("%q: %v", failure.Path, failure.Err)
		if r.a.json {
			if err := r.a.printJSON(map[string]string{"name": failure.Path, "error": failure.Err.Error()}); err != nil {
				return err
			}
		}
	}
	if r.a.json {
		if err := r.a.printJSON(map[string]summary{"summary": s}); err != nil {
			return err
		}
	} else {
		r.a.printf("%s %s, %s; %d skipped as equal, %d failed; %s\n",
			r.verb, plural(s.Done, "file"), plural(s.Bytes, "byte"), s.Skipped, s.Failed, s.pace())
	}
	if err != nil && ctx.Err() != nil {
		return &stoppedError{fmt.Sprintf("%s %s so far; the same command goes on", r.verb, plural(s.Done, "file"))}
	}
	return err
}
