package delivery

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// reportEvery is the time between two reports of a process in the database.
// Breakers that open or close are reported at once.
const reportEvery = 5 * time.Second

// silence is how old the report of a process may be that is still there.
const silence = 4 * reportEvery

// Report is how a process that delivers fares. It says so in the database, for
// those that only look. The JSON is what dfsctl cdn status shows.
type Report struct {
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// Age is how long ago it said so, in seconds, and Silent whether that is so
	// long that it may have died.
	Age    float64 `json:"age_seconds"`
	Silent bool    `json:"silent"`
	// Source is where it reads changes when it is its turn, Feeding whether it
	// is. Unread is why it cannot at the moment.
	Source  string `json:"source"`
	Feeding bool   `json:"feeding"`
	Unread  string `json:"unread,omitempty"`
	// Change is when the newest change was made that it turned into
	// deliveries, and Lag how many seconds later that was; zero for none yet.
	Change  time.Time      `json:"change,omitzero"`
	Lag     float64        `json:"lag_seconds,omitempty"`
	Targets []TargetReport `json:"targets"`
}

// TargetReport is how a target stands in one process; what the ledger has for
// it says [metadata.Store.DeliveryStats].
type TargetReport struct {
	Target  string `json:"target"`
	Breaker string `json:"breaker"` // "closed" where it works, "open" where it is left alone, "half-open" where it is tried
	// Pause is for how many seconds nothing is sent, because it throttles or is
	// left alone.
	Pause float64 `json:"pause_seconds,omitempty"`
	// Left is what this process may send at once: "calls", "items" and
	// "families", as far as there is such a limit.
	Left map[string]int `json:"limits_left,omitempty"`
	// Error is the last that it had, and Failed when; it may have worked since.
	Error  string    `json:"error,omitempty"`
	Failed time.Time `json:"failed,omitzero"`
}

// Reports returns what the processes say that deliver from a database.
func Reports(ctx context.Context, store *metadata.Store) ([]Report, error) {
	said, err := store.WorkerReports(ctx)
	var list []Report
	for _, s := range said {
		var r Report
		if json.Unmarshal([]byte(s.Text), &r) != nil {
			continue // of another version
		}
		r.Age = s.Age.Round(time.Millisecond).Seconds()
		r.Silent = s.Age > silence
		list = append(list, r)
	}
	return list, err
}

// Report says how this process fares.
func (p *Pipeline) Report() Report {
	host, _ := os.Hostname()
	r := p.fed.report()
	r.Host, r.PID, r.Started, r.Targets = host, os.Getpid(), p.started, []TargetReport{}
	for _, name := range p.names() {
		r.Targets = append(r.Targets, p.workers[name].report())
	}
	return r
}

// report says how a target stands.
func (w *worker) report() TargetReport {
	r := TargetReport{Target: w.target.Name(), Breaker: w.breaker.State().String(), Left: w.buckets.left()}
	pause := time.Until(time.Unix(0, w.resume.Load()))
	if w.breaker.IsOpen() {
		pause = max(pause, w.breaker.RemainingDelay())
	}
	r.Pause = max(0, pause.Round(time.Millisecond)).Seconds()
	if f := w.failure.Load(); f != nil {
		r.Error, r.Failed = f.text, f.at
	}
	return r
}

// failure is the last that a target had.
type failure struct {
	text string
	at   time.Time
}

// failed notes the first error of a call.
func (w *worker) failed(errs []error) {
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		w.failure.Store(&failure{errs[i].Error(), time.Now()})
	}
}

// left is what may be sent now, without the limits that there are not.
func (b buckets) left() map[string]int {
	left := make(map[string]int)
	for name, l := range map[string]*rate.Limiter{"calls": b.calls, "items": b.items, "families": b.families} {
		if l != nil {
			left[name] = max(0, int(l.Tokens()))
		}
	}
	return left
}

// fed is how the feed of this process fares.
type fed struct {
	mu      sync.Mutex
	source  string
	feeding bool
	unread  string
	change  time.Time
	lag     time.Duration
}

// report fills in the part of a report that is about the feed.
func (f *fed) report() Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Report{Source: f.source, Feeding: f.feeding, Unread: f.unread, Change: f.change, Lag: f.lag.Round(time.Millisecond).Seconds()}
}

// turn notes whether it is this process's turn to feed, or why it cannot.
func (f *fed) turn(source string, feeding bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.source, f.feeding, f.unread = source, feeding, ""
	if err != nil {
		f.unread = err.Error()
	}
}

// took notes the changes that became deliveries.
func (f *fed) took(batch []changes.Change) {
	if len(batch) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change = batch[len(batch)-1].Time
	f.lag = max(0, time.Since(f.change))
}

// tell has the database told soon how this process fares.
func (p *Pipeline) tell() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// reports tells the database how this process fares until ctx is done, and
// then that there is none.
func (p *Pipeline) reports(ctx context.Context) {
	name := rand.Text()
	every := time.NewTicker(reportEvery)
	defer every.Stop()
	for {
		text, err := json.Marshal(p.Report())
		if err = errors.Join(err, p.store.ReportWorker(ctx, name, string(text))); err != nil && ctx.Err() == nil {
			p.logger.DebugContext(ctx, "the database cannot be told how the deliveries fare", "error", err)
		}
		select {
		case <-every.C:
		case <-p.news:
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
			defer cancel()
			if err := p.store.ForgetWorker(ctx, name); err != nil {
				p.logger.DebugContext(ctx, "the database cannot be told that this process ends", "error", err)
			}
			return
		}
	}
}

// Test makes a round trip to a target: its own harmless one and, where it
// forgets single files, an invalidation of one that there is not. It returns a
// sentence about it.
func Test(ctx context.Context, t cdn.Target) (string, error) {
	text, err := t.Test(ctx)
	limits := t.Limits()
	if err != nil || !slices.Contains(limits.Actions, cdn.Invalidate) || slices.Contains(limits.Actions, cdn.Push) {
		return text, err
	}
	// The same each time: who knows it has nothing to do, and charges nothing.
	const path = "var/ezdfs-test/none"
	item := cdn.Item{ID: "probe", Action: cdn.Invalidate, Extent: cdn.Path, Subject: path, Row: metadata.Row{Name: path}}
	if err := errors.Join(t.Deliver(ctx, []cdn.Item{item})...); err != nil {
		return "", err
	}
	return text + "; invalidated /" + path, nil
}
