package check

import (
	"fmt"
	"slices"
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

// diagnosis is what is wrong with one name.
type diagnosis struct {
	r         *run
	name      string
	row       metadata.Row
	undecided bool // what is added is for somebody to decide
	faults    []fault
}

// add adds a fault, if its kind is asked for.
func (d *diagnosis) add(kind Kind, place cluster.Place, detail string, args ...any) {
	if !d.r.wants(kind) {
		return
	}
	f := fault{Finding{Kind: kind, Name: d.name, Table: d.row.Table, Detail: fmt.Sprintf(detail, args...), Fix: meaning(kind).Fix}, d.row, place}
	if place.Store != nil {
		f.Backend = place.Store.Name()
	}
	if d.undecided {
		f.Fix = Nothing
	}
	d.faults = append(d.faults, f)
}

// diagnose says what is wrong with a name that has a row, the more basic
// things first.
func (r *run) diagnose(s cluster.Subject) []fault {
	if len(s.Rows) == 0 {
		return nil
	}
	d := &diagnosis{r: r, name: s.Name, row: s.Rows[0]}
	row := d.row
	if metadata.IsGenerating(s.Name) {
		if r.staleLock(row) {
			d.add(StaleGeneration, cluster.Place{}, "locked since %s", date(row.ModTime()))
		}
		return d.faults
	}
	if halfExpired(row) {
		d.add(HalfExpired, cluster.Place{}, "expired=%t, mtime=%d", row.Expired, row.MTime)
	}
	if trunk := r.layout.Trunk(s.Name, row.Scope); trunk != row.Trunk {
		d.add(WrongTrunk, cluster.Place{}, "%q, not %q", row.Trunk, trunk)
	}
	d.diagnoseBodies(s)
	return d.faults
}

// diagnoseBodies says what is wrong between a row and the bodies of its name.
func (d *diagnosis) diagnoseBodies(s cluster.Subject) {
	row := d.row
	home, from := d.r.homes(s.Name)
	if ancient(row) || !reachable(home, from) {
		return
	}
	here, others := split(s.Bodies, home, from)
	switch {
	case !row.Live():
	case len(here) > 0:
		d.diagnoseBody(here, others)
	default:
		if at, ok := ofSize(others, row.Size); ok && (trusted(home, from) || home.takes()) {
			d.add(MisplacedBody, at, "the body is here and not on %s", home.Name)
		} else if !trusted(home, from) {
			return
		} else if len(others) > 0 {
			d.add(MissingBody, cluster.Place{Store: home.Backend}, "%d bytes, stored %s; a body of %d bytes lies on %s",
				row.Size, date(row.ModTime()), others[0].Size, others[0].Store.Name())
		} else {
			d.add(MissingBody, cluster.Place{Store: home.Backend}, "%d bytes, stored %s", row.Size, date(row.ModTime()))
		}
		return // what lies elsewhere may be all there is
	}
	for _, stray := range others {
		d.add(StrayBody, stray, "%d bytes, stored %s; its place is on %s", stray.Size, date(stray.Stored), home.Name)
	}
}

// diagnoseBody holds a live row against the body that readers find.
//
// Where another body has the row's size nobody can say which of them is the
// file: a row made to fit the first would make the other one a stray. Nor where
// another one has its size and time, and the first is older: somebody has stored
// it by other rules. A crash leaves one that is newer than its row.
func (d *diagnosis) diagnoseBody(here, others []cluster.Place) {
	row, body := d.row, here[0]
	others = slices.Concat(here[1:], others)
	right, elsewhere := ofSize(others, row.Size)
	of := func(p cluster.Place) bool { return p.Size == row.Size && p.Kept && bodyTime(p) == row.MTime }
	switch {
	case body.Size != row.Size && elsewhere:
		d.undecided = true
		d.add(WrongSize, body, "the row says %d bytes, as the body on %s has, this one has %d; delete the wrong body, then check again",
			row.Size, right.Store.Name(), body.Size)
	case body.Size != row.Size:
		d.add(WrongSize, body, "the row says %d bytes, the body has %d", row.Size, body.Size)
	case body.Kept && bodyTime(body) < row.MTime && slices.ContainsFunc(others, of):
		d.undecided = true
		right = others[slices.IndexFunc(others, of)]
		d.add(WrongTime, body, "the row says %s, as the body on %s has, this one %s; delete the wrong body, then check again",
			date(row.ModTime()), right.Store.Name(), date(body.ModTime))
	case body.Kept && bodyTime(body) != row.MTime:
		d.add(WrongTime, body, "the row says %s, the body %s", date(row.ModTime()), date(body.ModTime))
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
