package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"example.com/ezdfs/cdn/delivery"
	"example.com/ezdfs/metadata"
)

func newCDNStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Print what waits for each target, and who delivers", Args: arguments(0, 0),
		Long: `Print how each target stands: what is pending and since when, what was delivered
and what failed within the last hour, and, as told by the processes that deliver,
whether it is left alone because it failed (its breaker is open) and how much of
its limits is left. Then who follows the changes and how far behind he is.

It asks the database alone, so any host can tell.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLedger(cmd.Context(), func(l cdnLedger) error {
				status, err := cdnStatusOf(cmd.Context(), l)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(status)
				}
				a.printStatus(status)
				return nil
			})
		},
	}
}

// cdnStatus is what status tells.
type cdnStatus struct {
	Feed    feedStatus        `json:"feed"`
	Targets []targetStatus    `json:"targets"`
	Workers []delivery.Report `json:"workers"` // the processes that deliver
}

// feedStatus is how far the changes are followed, and by whom.
type feedStatus struct {
	// Owner is who has the turn, "" for nobody; Host and PID are his where he
	// tells.
	Owner    string `json:"owner"`
	Host     string `json:"host,omitempty"`
	PID      int    `json:"pid,omitempty"`
	Source   string `json:"source"`
	Position string `json:"position"`
	// Change is when the newest change was made that was followed, and Lag how
	// many seconds later that was.
	Change time.Time `json:"change,omitzero"`
	Lag    float64   `json:"lag_seconds"`
	Error  string    `json:"error,omitempty"`
}

// targetStatus is how one target stands. What only processes that deliver can
// tell is empty where there are none.
type targetStatus struct {
	Target     string         `json:"target"`
	Configured bool           `json:"configured"` // cdn.ini has it
	Pending    int64          `json:"pending"`
	Oldest     float64        `json:"oldest_seconds"` // the age of the oldest change that is pending
	Failed     int64          `json:"failed"`
	Delivered  int64          `json:"delivered_last_hour"`
	NewFailed  int64          `json:"failed_last_hour"`
	Breaker    string         `json:"breaker,omitempty"` // the worst that any process tells
	Pause      float64        `json:"pause_seconds,omitempty"`
	Left       map[string]int `json:"limits_left,omitempty"` // of all processes together
	// Error is the last that any process had, and ErrorTime when; it may have
	// worked since.
	Error     string    `json:"error,omitempty"`
	ErrorTime time.Time `json:"error_time,omitzero"`
}

func cdnStatusOf(ctx context.Context, l cdnLedger) (status cdnStatus, err error) {
	known, err := l.DeliveryTargets(ctx)
	if err != nil {
		return status, err
	}
	configured := l.settings.TargetNames()
	stats, err := l.DeliveryStats(ctx, slices.Compact(slices.Sorted(slices.Values(append(known, configured...))))...)
	if err != nil {
		return status, err
	}
	if status.Workers, err = delivery.Reports(ctx, l.Store); err != nil {
		return status, err
	}
	if status.Feed.Owner, status.Feed.Position, err = l.DeliveryFeed(ctx); err != nil {
		return status, err
	}
	if status.Workers == nil {
		status.Workers = []delivery.Report{}
	}
	status.Targets = []targetStatus{}
	for _, s := range stats {
		t := targetStatusOf(s, status.Workers)
		t.Configured = slices.Contains(configured, s.Target)
		status.Targets = append(status.Targets, t)
	}
	status.Feed.by(status.Workers)
	return status, nil
}

// by adds what the processes say who follow the changes, or would.
func (f *feedStatus) by(workers []delivery.Report) {
	f.Source, _, _ = strings.Cut(f.Position, ":")
	for _, w := range workers {
		f.Error = cmp.Or(f.Error, w.Unread)
		if f.Owner == "" || w.Silent || !w.Feeding {
			continue
		}
		f.Host, f.PID, f.Source, f.Change, f.Lag = w.Host, w.PID, w.Source, w.Change, w.Lag
	}
}

// breakers are their states, the worse the later.
var breakers = []string{"", "closed", "half-open", "open"}

// targetStatusOf joins what the ledger and the processes say of a target.
func targetStatusOf(s metadata.DeliveryStats, workers []delivery.Report) targetStatus {
	t := targetStatus{Target: s.Target, Pending: s.Pending, Failed: s.Failed, Delivered: s.Delivered, NewFailed: s.FailedLately}
	if !s.Oldest.IsZero() {
		t.Oldest = max(0, time.Since(s.Oldest).Round(time.Millisecond)).Seconds()
	}
	for _, w := range workers {
		i := slices.IndexFunc(w.Targets, func(r delivery.TargetReport) bool { return r.Target == s.Target })
		if i < 0 || w.Silent {
			continue
		}
		r := w.Targets[i]
		if slices.Index(breakers, r.Breaker) > slices.Index(breakers, t.Breaker) {
			t.Breaker = r.Breaker
		}
		t.Pause = max(t.Pause, r.Pause)
		if r.Failed.After(t.ErrorTime) {
			t.ErrorTime, t.Error = r.Failed, r.Error
		}
		for limit, n := range r.Left {
			if t.Left == nil {
				t.Left = make(map[string]int)
			}
			t.Left[limit] += n
		}
	}
	return t
}

func (a *app) printStatus(s cdnStatus) {
	if len(s.Targets) == 0 {
		a.printf("there are no targets; add groups such as [varnish:front] to cdn.ini\n\n")
	} else {
		var rows []table.Row
		for _, t := range s.Targets {
			rows = append(rows, table.Row{t.Target, t.state(), t.Pending, age(t.Oldest, t.Pending > 0), t.Delivered, t.NewFailed, t.Failed, t.limits()})
		}
		a.printTable(table.Row{"target", "state", "pending", "oldest", "delivered/h", "failed/h", "failed", "limits left"}, rows)
		a.printf("\n")
	}
	for _, t := range s.Targets {
		a.printTrouble(t)
	}
	a.printf("%s\n", s.Feed)
	a.printWorkers(s.Workers)
}

// printTrouble prints the last error of a target that has trouble now, and what
// to do about what has failed.
func (a *app) printTrouble(t targetStatus) {
	if t.Error != "" && (t.Breaker != "closed" || t.Pause > 0 || t.NewFailed > 0) {
		a.printf("%s: %s\n", date(t.ErrorTime), t.Error)
	}
	switch {
	case !t.Configured:
		a.printf("%s is not in cdn.ini: add its group again, or drop what it has with dfsctl cdn forget %s\n", t.Target, t.Target)
	case t.Failed > 0:
		a.printf("%s was not told of %s: see dfsctl cdn list --state failed --target %s, then dfsctl cdn retry --all --target %s\n",
			t.Target, plural(t.Failed, "change"), t.Target, t.Target)
	}
}

// state is a word on a target.
func (t targetStatus) state() string {
	switch {
	case !t.Configured:
		return "removed" // from cdn.ini
	case t.Breaker == "":
		return "-"
	case t.Breaker != "closed":
		return "down"
	case t.Pause > 0:
		return fmt.Sprintf("paused %.0f s", t.Pause)
	}
	return "works"
}

func (t targetStatus) limits() string {
	var parts []string
	for _, limit := range slices.Sorted(maps.Keys(t.Left)) {
		parts = append(parts, fmt.Sprintf("%d %s", t.Left[limit], limit))
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

// age is a number of seconds for people, "-" where there is none.
func age(seconds float64, known bool) string {
	if !known {
		return "-"
	}
	d := time.Duration(seconds * float64(time.Second))
	if d > time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}

// String is who follows the changes and how far behind he is.
func (f feedStatus) String() string {
	switch {
	case f.Owner == "" && f.Position == "":
		return cmp.Or(f.Error, "nobody has followed the changes yet")
	case f.Owner == "":
		return fmt.Sprintf("nobody follows the changes; they go on after %s%s", f.Position, with("; the last error: ", f.Error))
	}
	who := f.Owner
	if f.Host != "" {
		who = fmt.Sprintf("%s (process %d)", f.Host, f.PID)
	}
	text := fmt.Sprintf("%s follows the changes in the %s, position %s", who, f.Source, f.Position)
	if !f.Change.IsZero() {
		text += fmt.Sprintf("; the newest was made at %s and seen %s later", date(f.Change), age(f.Lag, true))
	}
	return text
}

// with puts a word before a text that is not empty.
func with(word, text string) string {
	if text == "" {
		return ""
	}
	return word + text
}

func (a *app) printWorkers(workers []delivery.Report) {
	if len(workers) == 0 {
		a.printf("nobody delivers: run dfsctl serve or dfsctl cdn run\n")
	}
	for _, w := range workers {
		word := "delivers"
		if w.Silent {
			word = "has gone silent"
		}
		a.printf("%s (process %d) %s, heard of %s ago\n", w.Host, w.PID, word, age(w.Age, true))
	}
}
