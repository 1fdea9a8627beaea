package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"example.com/ezdfs/bulk"
)

// progressMode is how progress is shown on stderr.
type progressMode string

const (
	progressAuto progressMode = "auto"
	progressBar  progressMode = "bar"
	progressJSON progressMode = "json"
	progressNone progressMode = "none"
)

func (m *progressMode) Type() string   { return "kind" }
func (m *progressMode) String() string { return "" } // the help tells the default

func (m *progressMode) Set(word string) error {
	if !slices.Contains([]progressMode{progressAuto, progressBar, progressJSON, progressNone}, progressMode(word)) {
		return fmt.Errorf("%q is not auto, bar, json or none", word)
	}
	*m = progressMode(word)
	return nil
}

// progressEvery is how much time passes between two JSON documents of
// progress.
const progressEvery = 5 * time.Second

// bulkRun is a bulk operation as its command shows it.
type bulkRun struct {
	a        *app
	verb     string // "stored"
	mode     progressMode
	progress *bulk.Progress
	// count counts the files in advance, for the ETA; nil where that costs as
	// much as the work, or where the operation does.
	count func(context.Context) (int64, error)
	// tell prints what was done for an operation that knows more of it than
	// progress does; the error that ended the operation, or nil, is told anyway.
	tell func(summary, error) error
	// looksOnly: what is as it should be counts as done.
	looksOnly bool
}

// run does the work, shows its progress, and tells how it went.
func (r *bulkRun) run(ctx context.Context, work func(context.Context) error) error {
	start := time.Now()
	stop := r.show(ctx)
	err := work(ctx)
	stop()
	return r.finish(ctx, err, time.Since(start))
}

// show shows progress, as it was asked for, until the function it returns is
// called.
func (r *bulkRun) show(ctx context.Context) (stop func()) {
	switch r.a.progressMode(r.mode) {
	case progressBar:
		return r.watch(ctx)
	case progressJSON:
		return r.inBackground(ctx, r.write)
	}
	return func() {}
}

// progressMode decides what auto is: a bar on a terminal; elsewhere JSON for
// whoever reads JSON.
func (a *app) progressMode(mode progressMode) progressMode {
	switch {
	case a.noProgress:
		return progressNone
	case mode != progressAuto && mode != "":
		return mode
	case a.onTerminal():
		return progressBar
	case a.json:
		return progressJSON
	}
	return progressNone
}

func (a *app) onTerminal() bool {
	f, ok := a.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// watch draws the bar until the function it returns is called.
func (r *bulkRun) watch(ctx context.Context) (stop func()) {
	bar := progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(r.a.stderr), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(20),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("files"),
		progressbar.OptionSetSpinnerChangeInterval(0))
	end := r.inBackground(ctx, func(ctx context.Context) { r.draw(ctx, bar) })
	return func() {
		end()
		bar.Finish()
	}
}

// inBackground runs show, and counts what is to come, until the function it
// returns is called.
func (r *bulkRun) inBackground(ctx context.Context, show func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { show(ctx) })
	if r.count != nil {
		running.Go(func() {
			if n, err := r.count(ctx); err == nil {
				r.progress.Expect(n)
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

func (r *bulkRun) draw(ctx context.Context, bar *progressbar.ProgressBar) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	limit := int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := r.progress.Snapshot()
		if now.Expected != limit {
			limit = now.Expected
			bar.ChangeMax64(max(limit, 1))
		}
		bar.Describe(fmt.Sprintf("%s %s, %d failed", r.verb, megabytes(now.Bytes), now.Failed))
		done := now.Total()
		if limit > 0 {
			done = min(done, limit-1) // the bar ends when the work does
		}
		bar.Set64(max(done, 0))
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// progressLine is the progress of a moment, as JSON shows it.
type progressLine struct {
	bulk.Snapshot
	Seconds   float64 `json:"seconds"`
	Rate      float64 `json:"files_per_second"` // of late
	Bandwidth float64 `json:"bytes_per_second"`
	ETA       float64 `json:"eta_seconds,omitempty"` // where it is known
}

// write writes a JSON document to stderr every few seconds.
func (r *bulkRun) write(ctx context.Context) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	start := time.Now()
	last, lastAt := bulk.Snapshot{}, start
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, at := r.progress.Snapshot(), time.Now()
		seconds := at.Sub(lastAt).Seconds()
		line := progressLine{
			Snapshot: now, Seconds: at.Sub(start).Seconds(),
			Rate:      float64(now.Total()-last.Total()) / seconds,
			Bandwidth: float64(now.Bytes-last.Bytes) / seconds,
		}
		if left := now.Expected - now.Total(); left > 0 && line.Rate > 0 {
			line.ETA = float64(left) / line.Rate
		}
		json.NewEncoder(r.a.stderr).Encode(map[string]progressLine{"progress": line})
		last, lastAt = now, at
	}
}

// summary is what a bulk operation did, as JSON shows it.
type summary struct {
	bulk.Snapshot
	Seconds float64    `json:"seconds"`
	Rate    float64    `json:"files_per_second"`
	Slowest []slowItem `json:"slowest,omitempty"`
}

type slowItem struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// pace is how long it took, and how fast that is where it took long enough to
// mean something.
func (s summary) pace() string {
	if s.Seconds < 1 {
		return fmt.Sprintf("%.0f ms", s.Seconds*1e3)
	}
	return fmt.Sprintf("%.1f s, %.0f files/s", s.Seconds, s.Rate)
}

// summarize sums up what was done.
func (r *bulkRun) summarize(took time.Duration) summary {
	s := summary{Snapshot: r.progress.Snapshot(), Seconds: took.Seconds()}
	s.Expected, s.Workers = 0, 0 // of a moment, not of the whole
	s.Rate = float64(s.Total()) / max(s.Seconds, 1e-9)
	for _, slow := range r.progress.Slowest() {
		s.Slowest = append(s.Slowest, slowItem{slow.Path, slow.Took.Seconds()})
	}
	return s
}

// finish prints the failures and the summary, however the operation ended, and
// says whether to go on.
func (r *bulkRun) finish(ctx context.Context, err error, took time.Duration) error {
	if err := r.printFailures(); err != nil {
		return err
	}
	s, tell := r.summarize(took), r.tell
	if tell == nil {
		tell = r.print
	}
	if err := tell(s, err); err != nil {
		return err
	}
	if !r.a.json {
		r.a.printf("%s", s.tail())
	}
	if err != nil && ctx.Err() != nil {
		done := s.Done
		if r.looksOnly {
			done += s.Skipped
		}
		return &stoppedError{fmt.Sprintf("%s %s so far; the same command goes on", r.verb, plural(done, "file"))}
	}
	return err
}

// print prints a summary.
func (r *bulkRun) print(s summary, _ error) error {
	if r.a.json {
		return r.a.printJSON(map[string]summary{"summary": s})
	}
	r.a.printf("%s %s, %s; %d skipped as equal, %d failed; %s\n",
		r.verb, plural(s.Done, "file"), plural(s.Bytes, "byte"), s.Skipped, s.Failed, s.pace())
	return nil
}

// printFailures names what failed, as far as it is known by name.
func (r *bulkRun) printFailures() error {
	failures := r.progress.Failures()
	for _, failure := range failures {
		r.a.note("%q: %v", failure.Path, failure.Err)
		if r.a.json {
			if err := r.a.printJSON(map[string]string{"name": failure.Path, "error": failure.Err.Error()}); err != nil {
				return err
			}
		}
	}
	if more := r.progress.Snapshot().Failed - int64(len(failures)); more > 0 {
		r.a.note("%s more failed; the first %d are named above", plural(more, "file"), len(failures))
	}
	return nil
}

// tail tells people what took a second or more, and of requests that stores
// refused.
func (s summary) tail() string {
	var b strings.Builder
	if s.Throttled > 0 {
		fmt.Fprintf(&b, "%s throttled by the store\n", plural(s.Throttled, "request"))
	}
	for _, slow := range s.Slowest {
		if slow.Seconds >= 1 {
			fmt.Fprintf(&b, "slow: %6.1f s  %s\n", slow.Seconds, slow.Name)
		}
	}
	return b.String()
}
