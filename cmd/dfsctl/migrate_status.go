package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/ezdfs/bulk/migrate"
	"example.com/ezdfs/metadata"
)

// migrationStatusJSON is how far a migration is, as JSON shows it.
type migrationStatusJSON struct {
	migrationJSON
	State    string    `json:"state"`
	Pass     int       `json:"pass"`
	Since    time.Time `json:"since"`
	Fraction float64   `json:"fraction"` // done, from 0 to 1
	ETA      float64   `json:"eta_seconds,omitempty"`
	Ranges   struct {
		Total  int `json:"total"`
		Done   int `json:"done"`
		Leased int `json:"leased"`
	} `json:"ranges"`
	Workers []string `json:"workers,omitempty"` // host:pid
}

// migrationStatus shows how far the migrations of a prefix are, or all of them.
func (a *app) migrationStatus(ctx context.Context, store *metadata.Store, prefix string) error {
	list, err := store.Migrations(ctx)
	if err != nil {
		return err
	}
	shown, others := 0, []string(nil)
	for _, m := range list {
		if prefix != "" && m.Prefix != prefix {
			others = append(others, m.Prefix)
			continue
		}
		shown++
		status := statusOf(m)
		if !a.json {
			a.printf("%s", status)
		} else if err := a.printJSON(map[string]migrationStatusJSON{"status": status}); err != nil {
			return err
		}
	}
	switch {
	case shown == 0 && len(others) > 0:
		slices.Sort(others)
		a.note("no migration of %s was ever begun; there is that of %s", prefix, strings.Join(slices.Compact(others), ", "))
	case shown == 0 && !a.json:
		a.printf("nothing has migrated\n")
	}
	return nil
}

func statusOf(m metadata.Migration) migrationStatusJSON {
	s := migrationStatusJSON{
		migrationJSON: migrationJSON{m.Kind, m.Prefix, m.Source, m.Target, m.Counts()},
		State:         stateOf(m), Pass: m.Pass, Since: m.Since.UTC(), Fraction: m.Fraction(),
		Workers: migrate.Workers(m),
	}
	s.Ranges.Total = len(m.Ranges)
	last := m.Since
	for _, r := range m.Ranges {
		if r.Done {
			s.Ranges.Done++
		}
		if r.Leased {
			s.Ranges.Leased++
		}
		if r.Changed.After(last) {
			last = r.Changed
		}
	}
	if s.Ranges.Leased > 0 && s.Fraction > 0 && s.Fraction < 1 {
		s.ETA = last.Sub(m.Since).Seconds() * (1 - s.Fraction) / s.Fraction
	}
	return s
}

// stateOf is where a pass is.
func stateOf(m metadata.Migration) string {
	leased := slices.ContainsFunc(m.Ranges, func(r metadata.MigrationRange) bool { return r.Leased })
	switch {
	case m.State == metadata.MigrationFinished:
		return "finished"
	case m.Done() && m.Counts().Failed > 0:
		return "done, some failed"
	case m.Done():
		return "done"
	case len(m.Ranges) == 0:
		return "begins anew" // a copy has begun since
	case leased:
		return "running"
	}
	return "interrupted"
}

// String is the status for people.
func (s migrationStatusJSON) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s from %s to %s: %s, pass %d since %s\n", s.Kind, s.Prefix, s.From, s.To, s.State, s.Pass, date(s.Since))
	fmt.Fprintf(&b, "  %.1f %% done, %d of %d ranges, %d leased", 100*s.Fraction, s.Ranges.Done, s.Ranges.Total, s.Ranges.Leased)
	if len(s.Workers) > 0 {
		fmt.Fprintf(&b, " by %s", strings.Join(s.Workers, ", "))
	}
	if s.ETA > 0 {
		fmt.Fprintf(&b, ", ready in %s", (time.Duration(s.ETA) * time.Second))
	}
	fmt.Fprintf(&b, "\n  copied %s, %s; %d were there, %d have gone since, %d failed\n",
		plural(s.Copied, "file"), plural(s.Bytes, "byte"), s.Present, s.Gone, s.Failed)
	return b.String()
}
