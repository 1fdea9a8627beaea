package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// Report is what was measured.
type Report struct {
	Seconds    float64     `json:"seconds"`        // measured, without the warm-up
	Rate       float64     `json:"rate,omitempty"` // operations a second that were to begin; 0 for as many as possible
	Operations []Operation `json:"operations"`     // those of the mix
	Errors     []Fault     `json:"errors"`         // by how many there were
	// Absent reads met a file that was being expired, as they may.
	Absent int64 `json:"absent"`
	// Missed operations were to begin, but no worker was free before the end. Those
	// that began soon after it are among the others, too.
	Missed int64 `json:"missed,omitempty"`
}

// Operation is what was measured of one kind of operation. Operations that
// failed count as errors only.
type Operation struct {
	Name           string  `json:"operation"`
	Count          int64   `json:"count"`
	PerSecond      float64 `json:"per_second"`
	Bytes          int64   `json:"bytes"`
	BytesPerSecond float64 `json:"bytes_per_second"`
	Errors         int64   `json:"errors"`
	Latency        Latency `json:"latency_seconds"`
}

// Latency says how long operations took, in seconds to three digits.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// Fault is a kind of error and how often it came.
type Fault struct {
	Operation string `json:"operation"`
	Kind      string `json:"kind"`
	Count     int64  `json:"count"`
	First     string `json:"first"` // the first one's message
}

// Total is the number of operations that succeeded.
func (r Report) Total() (n int64) {
	for _, op := range r.Operations {
		n += op.Count
	}
	return n
}

// Failed is the number of operations that did not.
func (r Report) Failed() (n int64) {
	for _, op := range r.Operations {
		n += op.Errors
	}
	return n
}

// Wrong is the number of operations after which something was not as the
// cluster had promised. They are among the failed.
func (r Report) Wrong() (n int64) {
	for _, fault := range r.Errors {
		if fault.Kind == kindWrong {
			n += fault.Count
		}
	}
	return n
}

// tooMany is the share of operations from which the rate was not kept.
const tooMany = 0.01

// KeptUp reports whether operations began as often as they were to.
func (r Report) KeptUp() bool {
	return float64(r.Missed) <= tooMany*r.Rate*r.Seconds
}

// recorder collects what workers measure.
type recorder struct {
	from     time.Time // what was to begin before is warming up
	progress *bulk.Progress
	absent   atomic.Int64
	late     atomic.Int64 // operations that began after the end

	mu     sync.Mutex
	ops    [opCount]measured
	faults map[faultKey]*Fault
}

type faultKey struct {
	op   Op
	kind string
}

// measured is one kind of operation.
type measured struct {
	latency *hdrhistogram.Histogram // microseconds
	bytes   int64
	errors  int64
	longest time.Duration
}

// maxLatency is the longest that is told apart.
const maxLatency = time.Hour

func newRecorder(from time.Time, progress *bulk.Progress) *recorder {
	r := &recorder{from: from, progress: progress, faults: make(map[faultKey]*Fault)}
	for i := range r.ops {
		r.ops[i].latency = hdrhistogram.New(1, maxLatency.Microseconds(), 3)
	}
	return r
}

// record notes an operation that has ended now.
func (r *recorder) record(op Op, intended time.Time, bytes int64, err error) {
	took := time.Since(intended)
	if err != nil {
		r.progress.Fail(op.String(), err)
	} else {
		r.progress.AddMany(1, bytes)
	}
	if intended.Before(r.from) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &r.ops[op]
	if err != nil {
		m.errors++
		r.fault(op, err)
		return
	}
	m.bytes += bytes
	m.longest = max(m.longest, took)
	// Fails for what is longer than the longest only.
	_ = m.latency.RecordValue(min(max(took, time.Microsecond), maxLatency).Microseconds())
}

func (r *recorder) fault(op Op, err error) {
	key := faultKey{op, kindOf(err)}
	if r.faults[key] == nil {
		r.faults[key] = &Fault{Operation: op.String(), Kind: key.kind, First: err.Error()}
	}
	r.faults[key].Count++
}

const kindWrong = "wrong"

// kinds are the kinds of errors, the first that fits counts.
var kinds = []struct {
	name string
	is   func(error) bool
}{
	{kindWrong, isA[*WrongError]},
	{"body missing", isA[*cluster.BodyMissingError]},
	{"cut off at the end", isKind(context.Canceled)},
	{"timed out", isKind(context.DeadlineExceeded)},
	{"database unavailable", isKind(metadata.ErrUnavailable)},
	{"outcome unknown", isKind(metadata.ErrOutcomeUnknown)},
	{"row locked", isKind(metadata.ErrLocked)},
	{"store throttles", backends.IsThrottled},
	{"store unavailable", isKind(backends.ErrUnavailable)},
	{"no space", isKind(backends.ErrNoSpace)},
	{"changed while read", isKind(backends.ErrChanged)},
}

func isA[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}

func isKind(kind error) func(error) bool {
	return func(err error) bool { return errors.Is(err, kind) }
}

func kindOf(err error) string {
	for _, kind := range kinds {
		if kind.is(err) {
			return kind.name
		}
	}
	return "other"
}

// report sums up what was recorded in the time measured.
func (b *Bench) report(r *recorder, measured time.Duration) Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	report := Report{Seconds: measured.Seconds(), Rate: b.config.Rate, Absent: r.absent.Load(), Operations: []Operation{}, Errors: []Fault{}}
	var recorded int64
	for i, m := range r.ops {
		count := m.latency.TotalCount()
		recorded += count + m.errors
		if b.config.Mix[i] > 0 || count+m.errors > 0 {
			report.Operations = append(report.Operations, m.operation(Op(i), report.Seconds))
		}
	}
	if b.config.Rate > 0 {
		report.Missed = max(int64(b.config.Rate*report.Seconds)-recorded, 0) + r.late.Load()
	}
	for _, key := range slices.SortedFunc(maps.Keys(r.faults), func(a, b faultKey) int {
		return cmp.Or(-cmp.Compare(r.faults[a].Count, r.faults[b].Count), cmp.Compare(a.op, b.op), cmp.Compare(a.kind, b.kind))
	}) {
		report.Errors = append(report.Errors, *r.faults[key])
	}
	return report
}

func (m measured) operation(op Op, seconds float64) Operation {
	at := func(percentile float64) float64 { return float64(m.latency.ValueAtPercentile(percentile)) / 1e6 }
	seconds = max(seconds, 1e-9)
	count := m.latency.TotalCount()
	return Operation{
		Name: op.String(), Count: count, PerSecond: float64(count) / seconds,
		Bytes: m.bytes, BytesPerSecond: float64(m.bytes) / seconds, Errors: m.errors,
		Latency: Latency{
			Mean: m.latency.Mean() / 1e6, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: m.longest.Seconds(),
		},
	}
}

// Verdict is the report in a sentence.
func (r Report) Verdict() string {
	rate := float64(r.Total()) / max(r.Seconds, 1e-9)
	worst := ""
	for _, op := range r.Operations {
		if op.Count > 0 {
			worst += fmt.Sprintf(", %s p99 %s", op.Name, Short(op.Latency.P99))
		}
	}
	switch {
	case r.Total()+r.Failed()+r.Missed == 0:
		return "nothing was measured"
	case r.Wrong() > 0:
		return fmt.Sprintf("WRONG: %d of %d operations met contents or files that are not as they were stored", r.Wrong(), r.Total()+r.Failed())
	case r.Failed() > 0:
		return fmt.Sprintf("FAILED: %d of %d operations; %.0f operations/s%s", r.Failed(), r.Total()+r.Failed(), rate, worst)
	case !r.KeptUp():
		return fmt.Sprintf("TOO SLOW: %.0f of %.0f operations/s%s; %d did not begin in time", rate, r.Rate, worst, r.Missed)
	}
	return fmt.Sprintf("OK: %.0f operations/s%s, no errors, and every byte read was right", rate, worst)
}

// Short is a number of seconds as people read it: "1.23 ms".
func Short(seconds float64) string {
	switch {
	case seconds >= 1:
		return fmt.Sprintf("%.3g s", seconds)
	case seconds >= 1e-3:
		return fmt.Sprintf("%.3g ms", seconds*1e3)
	}
	return fmt.Sprintf("%.3g µs", seconds*1e6)
}
