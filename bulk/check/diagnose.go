package check

import (
	"fmt"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// fault is a finding about a name and what mending it takes.
type fault struct {
	Finding
	row   metadata.Row
	place cluster.Place
}

// diagnose says what is wrong with a name that has a row, the more basic
// things first.
func (r *run) diagnose(s cluster.Subject) (faults []fault) {
	if len(s.Rows) == 0 {
		return nil
	}
	row := s.Rows[0]
	add := func(kind Kind, place cluster.Place, detail string, args ...any) {
		f := fault{Finding{Kind: kind, Name: s.Name, Table: row.Table, Detail: fmt.Sprintf(detail, args...), Fix: meaning(kind).Fix}, row, place}
		if place.Store != nil {
			f.Backend = place.Store.Name()
		}
		if r.wants(kind) {
			faults = append(faults, f)
		}
	}
	if metadata.IsGenerating(s.Name) {
		if r.staleLock(row) {
			add(StaleGeneration, cluster.Place{}, "locked since %s", date(row.ModTime()))
		}
		return faults
	}
	if halfExpired(row) {
		add(HalfExpired, cluster.Place{}, "expired=%t, mtime=%d", row.Expired, row.MTime)
	}
	if trunk := r.layout.Trunk(s.Name, row.Scope); trunk != row.Trunk {
		add(WrongTrunk, cluster.Place{}, "%q, not %q", row.Trunk, trunk)
	}
	r.diagnoseBodies(s, row, add)
	return faults
}

// diagnoseBodies says what is wrong between a row and the bodies of its name.
func (r *run) diagnoseBodies(s cluster.Subject, row metadata.Row, add func(Kind, cluster.Place, string, ...any)) {
	home, from := r.homes(s.Name)
	if !reachable(home, from) {
		return
	}
	here, others := split(s.Bodies, home, from)
	switch {
	case !row.Live():
	case len(here) > 0:
		r.diagnoseBody(row, here[0], add)
	default:
		if at, ok := ofSize(others, row.Size); ok {
			add(MisplacedBody, at, "the body is here and not on %s", home.Name)
		} else if len(others) > 0 {
			add(MissingBody, cluster.Place{Store: home.Backend}, "%d bytes, stored %s; a body of %d bytes lies on %s",
				row.Size, date(row.ModTime()), others[0].Size, others[0].Store.Name())
		} else {
			add(MissingBody, cluster.Place{Store: home.Backend}, "%d bytes, stored %s", row.Size, date(row.ModTime()))
		}
		return // what lies elsewhere may be all there is
	}
	for _, stray := range others {
		add(StrayBody, stray, "%d bytes, stored %s; its place is on %s", stray.Size, date(stray.Stored), home.Name)
	}
}

// diagnoseBody holds a live row against the body that readers find.
func (r *run) diagnoseBody(row metadata.Row, body cluster.Place, add func(Kind, cluster.Place, string, ...any)) {
	switch {
	case body.Size != row.Size:
		add(WrongSize, body, "the row says %d bytes, the body has %d", row.Size, body.Size)
	case body.Kept && bodyTime(body) != row.MTime:
		add(WrongTime, body, "the row says %s, the body %s", date(row.ModTime()), date(body.ModTime))
	}
}

// bodyTime is what the row of a body says.
func bodyTime(p cluster.Place) int64 { return max(p.ModTime.Unix(), 1) }

// split parts the bodies where readers look, the one they find first, from the
// others. Two backends may be one store under two names.
func split(bodies []cluster.Place, home, from *store) (here, others []cluster.Place) {
	for _, p := range bodies {
		if p.Store == home.Backend {
			here = append([]cluster.Place{p}, here...)
		} else if from != nil && p.Store == from.Backend {
			here = append(here, p)
		}
	}
	for _, p := range bodies {
		if p.Store != home.Backend && (from == nil || p.Store != from.Backend) &&
			(len(here) == 0 || !cluster.SameBody(here[0], p)) {
			others = append(others, p)
		}
	}
	return here, others
}

func ofSize(places []cluster.Place, size int64) (cluster.Place, bool) {
	for _, p := range places {
		if p.Size == size {
			return p, true
		}
	}
	return cluster.Place{}, false
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }
