package check

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

const (
	// spanSize is how many bodies are in memory at a time for each joiner.
	spanSize = 20_000
	joiners  = 4
	pageSize = 1000 // rows of one query
)

// join holds the rows against the bodies, a range of hashes at a time, and has
// what does not fit looked at.
func (r *run) join(ctx context.Context) error {
	parts := spans(r.span, r.bodies.counts(), r.spanSize)
	tasks := make([][]span, len(parts))
	for i, part := range parts {
		tasks[i] = []span{part}
	}
	if r.Prefix != "" {
		// The rows of a prefix are found by the index on the name, all at once.
		tasks = [][]span{parts}
	}
	look := newInspector(r, ctx)
	marks := newMarks(tasks)
	err := r.joinAll(look, marks)
	if err == nil {
		err = r.orphans(look)
	}
	if err == nil {
		err = r.twins(look.ctx, look)
	}
	if lookErr := look.wait(); lookErr != nil {
		err = lookErr
	}
	if err == nil {
		err = r.stopped(ctx) // by the last of the findings
	}
	if err != nil {
		r.summary.Next = hashText(max(r.span.from, min(marks.next(), r.pending(), look.next())))
	}
	return err
}

// hashText writes the beginning of a range as an option takes it, nothing for
// the end of all.
func hashText(at uint64) string {
	if at >= 1<<32 {
		return ""
	}
	return fmt.Sprintf("%08x", at)
}

// joinAll joins the tasks, some at a time, in their order.
func (r *run) joinAll(look *inspector, marks *marks) error {
	group, ctx := errgroup.WithContext(look.ctx)
	for range min(joiners, r.listers, len(marks.tasks)) {
		group.Go(func() error {
			j := &joiner{r: r, look: look}
			for {
				i, ok := marks.take()
				if !ok {
					return nil
				}
				if err := j.run(ctx, marks.tasks[i]); err != nil {
					return err
				}
				marks.done(i)
			}
		})
	}
	return group.Wait()
}

// marks know which tasks are done.
type marks struct {
	mu    sync.Mutex
	tasks [][]span
	taken int
	over  []bool
}

func newMarks(tasks [][]span) *marks { return &marks{tasks: tasks, over: make([]bool, len(tasks))} }

// take returns the next task.
func (m *marks) take() (i int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken++
	return m.taken - 1, m.taken <= len(m.tasks)
}

func (m *marks) done(i int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.over[i] = true
}

// next is where the first task begins that is not done.
func (m *marks) next() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.over, false)
	if i < 0 {
		return 1 << 32
	}
	return m.tasks[i][0].from
}

// joiner joins the rows of some neighbouring ranges with their bodies.
type joiner struct {
	r     *run
	look  *inspector
	parts []span // not joined yet, the first one's bodies loaded

	window
	at   int // bodies before it have smaller hashes than the last row
	name []byte
}

func (j *joiner) run(ctx context.Context, parts []span) error {
	j.parts = parts
	filter := metadata.Filter{Prefix: j.r.Prefix, PageSize: pageSize}
	filter.HashFrom, _ = j.parts[0].bounds()
	_, filter.HashTo = j.parts[len(j.parts)-1].bounds()
	if err := j.load(); err != nil {
		return err
	}
	for row, err := range j.r.c.Metadata().Scan(ctx, filter) {
		if err == nil {
			err = j.r.wait(ctx)
		}
		if err != nil {
			return err
		}
		if err := j.row(row); err != nil {
			return err
		}
		if err := j.r.stopped(ctx); err != nil {
			return err
		}
	}
	for len(j.parts) > 0 {
		if err := j.next(); err != nil {
			return err
		}
	}
	return nil
}

// load reads the bodies of the first range.
func (j *joiner) load() error {
	j.at = 0
	return j.window.load(j.r, j.parts[0])
}

// next ends a range: what no row named has none.
func (j *joiner) next() error {
	if err := j.orphans(); err != nil {
		return err
	}
	if j.parts = j.parts[1:]; len(j.parts) == 0 {
		return nil
	}
	return j.load()
}

// row joins one row.
func (j *joiner) row(row metadata.Stored) error {
	j.r.rows.Add(1)
	j.r.Progress.AddMany(1, 0)
	j.name = append(j.name[:0], row.Name...)
	h := hash(md5.Sum(j.name))
	var text [32]byte
	hex.Encode(text[:], h[:])
	if row.NameHash != string(text[:]) {
		return j.look.lost(j.parts[0].from, row, WrongHash)
	}
	for len(j.parts) > 1 && !j.parts[0].has(h) {
		if err := j.next(); err != nil {
			return err
		}
	}
	found := j.find(h)
	for i := range found {
		found[i].seen = true
	}
	switch {
	case !valid(row.Name):
		j.r.unclean(row.Name)
		return j.look.lost(j.parts[0].from, row, InvalidName)
	case row.Table != j.r.layout.Table(row.Name):
		return j.look.lost(j.parts[0].from, row, WrongTable)
	}
	if err := j.r.fold(h, row.Row); err != nil {
		return err
	}
	if j.r.untold(j.look.ctx, row.Row, found) {
		return nil
	}
	if !j.r.sound(row.Row, found) {
		return j.look.name(j.parts[0].from, row.Name, row.Live() && len(found) > 0)
	}
	if j.r.Contents && row.Live() && len(found) > 0 {
		return j.look.contents(j.parts[0].from, row.Name)
	}
	return nil
}

// find returns the bodies of a hash. Rows come in the order of theirs.
func (j *joiner) find(h hash) []body {
	if j.at > 0 && compareHashes(j.bodies[j.at-1].hash, h) >= 0 {
		j.at, _ = slices.BinarySearchFunc(j.bodies, h, func(b body, h hash) int { return compareHashes(b.hash, h) })
	}
	for j.at < len(j.bodies) && compareHashes(j.bodies[j.at].hash, h) < 0 {
		j.at++
	}
	end := j.at
	for end < len(j.bodies) && j.bodies[end].hash == h {
		end++
	}
	return j.bodies[j.at:end]
}

// orphans puts the bodies aside that no row named: a row whose name is not clean
// may turn up that means one of them.
func (j *joiner) orphans() error {
	if !j.r.Storage {
		return nil
	}
	for _, b := range j.bodies {
		if b.seen {
			continue
		}
		if err := j.r.loose.add(b.hash, append([]byte{b.store}, b.path...)); err != nil {
			return err
		}
	}
	return nil
}

// valid reports whether operations find a row of that name.
func valid(name string) bool {
	clean, err := metadata.CleanName(name)
	return err == nil && clean == name && backends.ValidPath(name)
}

// sound reports whether a row and the bodies that were listed leave nothing to
// look at. It says no in doubt.
func (r *run) sound(row metadata.Row, bodies []body) bool {
	if metadata.IsGenerating(row.Name) {
		return !r.staleLock(row) && len(bodies) <= 1
	}
	if halfExpired(row) || row.Trunk != r.layout.Trunk(row.Name, row.Scope) {
		return false
	}
	home, from := r.homes(row.Name)
	if !reachable(home, from) {
		return len(bodies) == 0 // there is nothing to be said
	}
	if ancient(row) {
		return true
	}
	if !row.Live() {
		return len(bodies) == 0 || len(bodies) == 1 && r.stores[bodies[0].store] == home
	}
	return r.soundBodies(row, bodies, home, from)
}

// soundBodies reports whether the only body of a live row, or that on each store
// of a migration, is the row's as far as a listing tells. One that only the old
// store has another size of was written anew since.
func (r *run) soundBodies(row metadata.Row, bodies []body, home, from *store) bool {
	if len(bodies) == 0 || len(bodies) > 2 || len(bodies) == 2 && from == nil {
		return false
	}
	for _, b := range bodies {
		if s := r.stores[b.store]; s != home && s != from {
			return false
		}
		if b.size != row.Size || b.kept && max(b.mtime, 1) != row.MTime {
			return false
		}
	}
	return true
}

// halfExpired reports whether a row says both that it has expired and that it
// has not.
func halfExpired(row metadata.Row) bool { return row.Expired != (row.MTime < 0) && !ancient(row) }

// ancient reports whether a row is as PHP stores a file of 1970 or before, with
// an mtime of -1 (contract section 1). Nobody has deleted it, and so no body of
// it is one too many, but operations take it for expired.
func ancient(row metadata.Row) bool { return row.MTime == -1 && !row.Expired }

// staleLock reports whether the lock of a generation has timed out, or was
// broken as long ago.
func (r *run) staleLock(row metadata.Row) bool {
	return row.ModTime().Add(r.GenerationTimeout).Before(r.Now())
}
