// Package doctor looks at everything a cluster needs, each by itself: the
// settings, the database with its tables and privileges, the change feed,
// every backend, every cache and CDN. It goes on after a failure, ends in bounded time when a
// service hangs, and says of everything it finds what to do. It writes nothing
// unless asked to.
//
//	for finding := range doctor.Examine(ctx, doctor.Options{Settings: s}) {
//		fmt.Println(finding)
//	}
package doctor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/settings"
)

// Status grades a Finding.
type Status string

// The statuses.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, but not as well as it could
	Fail Status = "fail" // the cluster, or a part of it, cannot work
)

// Finding is what the doctor says about one thing.
type Finding struct {
	Status  Status `json:"status"`
	Subject string `json:"subject"` // "settings", "database", a backend's name
	Text    string `json:"text"`
	Fix     string `json:"fix,omitempty"`
}

// String is the finding on one line.
func (f Finding) String() string {
	line := fmt.Sprintf("%-4s  %s: %s", f.Status, f.Subject, f.Text)
	if f.Fix != "" {
		line += "; " + f.Fix
	}
	return line
}

// Options say what to examine.
type Options struct {
	Settings settings.Settings
	// Problems are what settings.Check found.
	Problems []settings.Problem
	// Write lets the doctor stage and discard a body on each backend.
	Write bool
	// Timeout bounds each probe; 10 seconds by default.
	Timeout time.Duration
	Logger  *slog.Logger
}

// probe examines one thing.
type probe struct {
	subject string
	run     func(ctx context.Context) []Finding
}

// Examine yields what it finds: about the settings, the database, the change
// feed, each backend, and each target of cdn.ini. All probes run at once, and one that does not answer in time is a
// finding; what it hangs in, say a dead NFS server, is left behind.
func Examine(ctx context.Context, options Options) iter.Seq[Finding] {
	if options.Timeout <= 0 {
		options.Timeout = 10 * time.Second
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	return func(yield func(Finding) bool) {
		for _, finding := range settingsFindings(options.Problems) {
			if !yield(finding) {
				return
			}
		}
		probes := options.probes()
		answers := make([]<-chan []Finding, len(probes))
		for i, p := range probes {
			answers[i] = p.start(ctx, options.Timeout)
		}
		for _, answer := range answers {
			for _, finding := range <-answer {
				if !yield(finding) {
					return
				}
			}
		}
	}
}

func (o Options) probes() []probe {
	probes := []probe{{"database", o.examineDatabase}, {changesSubject, o.examineChanges}}
	for _, name := range cluster.BackendNames(o.Settings) {
		probes = append(probes, probe{name, func(ctx context.Context) []Finding {
			return o.examineBackend(ctx, name)
		}})
	}
	for _, a := range auxiliaries(o.Settings) {
		probes = append(probes, probe{a.name, a.examine})
	}
	return append(probes, o.cdnProbes()...)
}

// start runs a probe for at most its time and a moment.
func (p probe) start(ctx context.Context, timeout time.Duration) <-chan []Finding {
	answer, found := make(chan []Finding, 1), make(chan []Finding, 1)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	go func() { found <- p.run(ctx) }()
	go func() {
		defer cancel()
		select {
		case findings := <-found:
			answer <- findings
		case <-ctx.Done():
			answer <- p.late(found, timeout)
		}
	}()
	return answer
}

// grace is how long a probe whose time is up may take to say why.
const grace = time.Second

// late is what becomes of a probe whose time is up.
func (p probe) late(found <-chan []Finding, timeout time.Duration) []Finding {
	select {
	case findings := <-found:
		return findings
	case <-time.After(grace):
		return []Finding{{Fail, p.subject, fmt.Sprintf("no answer within %v", timeout), "see whether it hangs, and the network between"}}
	}
}

func settingsFindings(problems []settings.Problem) []Finding {
	if len(problems) == 0 {
		return []Finding{{Status: OK, Subject: "settings", Text: "nothing is wrong with them"}}
	}
	var findings []Finding
	for _, p := range problems {
		status, place := Warn, ""
		if p.Severity == settings.SeverityError {
			status = Fail
		}
		if p.Origin != (settings.Origin{}) {
			place = p.Origin.String() + ": "
		}
		if p.Key != "" {
			place += "[" + p.Group + "] " + p.Key + ": "
		}
		findings = append(findings, Finding{status, "settings", place + p.Message, p.Fix})
	}
	return findings
}

// examineBackend opens a backend and asks it.
func (o Options) examineBackend(ctx context.Context, name string) []Finding {
	failed := func(err error) []Finding {
		return []Finding{{Fail, name, withoutName(name, err), o.placeOf(name)}}
	}
	b, err := cluster.OpenBackend(ctx, o.Settings, name, o.Logger)
	if err != nil {
		return failed(err)
	}
	defer b.Close()
	if err := b.Ping(ctx); err != nil {
		return failed(err)
	}
	text := "reachable"
	found := []Finding{}
	if err := blind(ctx, b); err != nil {
		found = append(found, Finding{Warn, name, withoutName(name, err), "mount the share; in a new cluster on a local directory this ends with the first file"})
	}
	if o.Write {
		if err := writeProbe(ctx, b); err != nil {
			return failed(err)
		}
		text = "reachable and writable"
	}
	return append(found, Finding{Status: OK, Subject: name, Text: text})
}

// blind returns why a store that answers cannot say that a body is missing:
// an empty directory where a share should be mounted, for one.
func blind(ctx context.Context, b backends.Backend) error {
	if _, err := b.Stat(ctx, probePath); errors.Is(err, backends.ErrUnavailable) {
		return err
	}
	return nil
}

// probePath is that of a body which never exists.
const probePath = "ezdfs-doctor/probe.txt"

func (o Options) placeOf(name string) string { return "see " + Place(o.Settings, name) }

// writeProbe stages a small body and drops it. No reader can see it.
func writeProbe(ctx context.Context, b backends.Backend) error {
	const body = "written by dfsctl doctor --write"
	staged, err := b.Stage(ctx, probePath, strings.NewReader(body), backends.Attributes{Size: int64(len(body))})
	if err != nil {
		return err
	}
	return staged.Discard(context.WithoutCancel(ctx))
}

// withoutName is the text of an error without the backend's name before it,
// which is the finding's subject already, on one line.
func withoutName(name string, err error) string {
	text := strings.TrimPrefix(err.Error(), name+": ")
	if errors.Is(err, context.DeadlineExceeded) {
		text = "no answer in time: " + text
	}
	return strings.Join(strings.Fields(text), " ")
}
