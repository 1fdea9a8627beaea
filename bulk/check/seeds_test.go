package check

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// seed damages a sound cluster in one way, n times, below prefix. What is
// expected to be found has the names that want returns; the rows and bodies it
// leaves after mending are the business of the test.
type seed struct {
	kind Kind
	// damage makes the n-th defect about name, which is sound and live, with a
	// body of 100 bytes, and returns the name that is found.
	damage func(f *fixture, name string) string
	only   string // backend of the path, where it takes a certain one
}

func seeds() []seed {
	same := func(damage func(f *fixture, name string)) func(*fixture, string) string {
		return func(f *fixture, name string) string { damage(f, name); return name }
	}
	update := func(set string) func(*fixture, string) string {
		return same(func(f *fixture, name string) {
			f.exec("UPDATE "+f.row(name, 0).Table+" SET "+set+" WHERE name_hash = ?", metadata.Hash(name))
		})
	}
	deleteRow := func(f *fixture, name string) {
		f.exec("DELETE FROM "+f.row(name, 0).Table+" WHERE name_hash = ?", metadata.Hash(name))
	}
	return []seed{
		{kind: OrphanBody, damage: same(deleteRow)},
		{kind: StrayBody, damage: same(func(f *fixture, name string) { f.putBodies(bodies{{past, name}: 100}) })},
		{kind: MisplacedBody, damage: same(func(f *fixture, name string) {
			f.putBodies(bodies{{past, name}: 100})
			f.dropBody(name)
		})},
		{kind: StagedLeftover, damage: func(f *fixture, name string) string { return f.stage(name) }},
		{kind: MissingBody, damage: same((*fixture).dropBody)},
		{kind: WrongSize, damage: update("size = 7")},
		{kind: WrongTime, damage: update("mtime = mtime - 100"), only: "nfs"},
		{kind: StaleGeneration, damage: func(f *fixture, name string) string {
			lock := f.row(name+metadata.GeneratingSuffix, 0)
			lock.Scope, lock.DataType, lock.Trunk = "", "", name
			f.putRows(lock)
			f.putBodies(bodies{{f.home(lock.Name), lock.Name}: 3})
			return lock.Name
		}},
		{kind: WrongTable, damage: same(func(f *fixture, name string) {
			row := f.row(name, 100)
			row.Table = "ezdfsfile_cache"
			f.putRows(row)
			deleteRow(f, name)
		})},
		{kind: WrongHash, damage: same(func(f *fixture, name string) {
			f.exec("UPDATE ezdfsfile SET name_hash = ? WHERE name_hash = ?", metadata.Hash("not "+name), metadata.Hash(name))
		})},
		{kind: WrongTrunk, damage: update("name_trunk = 'var/other'")},
		{kind: HalfExpired, damage: func(f *fixture, name string) string {
			if n, _ := strconv.Atoi(filepath.Base(name)); n%2 == 0 {
				return update("expired = 1")(f, name)
			}
			return update("mtime = -mtime")(f, name)
		}},
		{kind: InvalidName, damage: func(f *fixture, name string) string {
			wrong := filepath.Dir(name) + "//" + filepath.Base(name)
			f.exec("UPDATE ezdfsfile SET name = ?, name_hash = ? WHERE name_hash = ?", wrong, metadata.Hash(wrong), metadata.Hash(name))
			return wrong
		}},
		{kind: CaseTwin, damage: func(f *fixture, name string) string {
			twin := filepath.Dir(name) + "/T" + filepath.Base(name)
			other := filepath.Dir(name) + "/t" + filepath.Base(name)
			f.putRows(f.row(twin, 100), f.row(other, 100))
			f.putBodies(bodies{{f.home(twin), twin}: 100, {f.home(other), other}: 100})
			return twin // or other: whichever hash comes first is the other's twin
		}},
	}
}

func (f *fixture) dropBody(name string) {
	f.Helper()
	if err := f.backend(f.home(name)).Delete(f.Context(), []string{name}); err != nil {
		f.Fatal(err)
	}
}

// stage leaves a staged body of a writer that died, and returns where.
func (f *fixture) stage(name string) string {
	f.Helper()
	tree, ok := f.settings.NFS[f.home(name)]
	if !ok {
		return f.startUpload(name)
	}
	staged := filepath.Dir(name) + "/" + backends.StagedPrefix + metadata.Hash(name)
	if filepath.Base(name) != "0" { // the first is the legacy's
		staged = fmt.Sprintf("%s/%s%d-1-%s-elsewhere", filepath.Dir(name), backends.StagedPrefix, f.long.Unix(), filepath.Base(name))
	}
	if err := os.WriteFile(filepath.Join(tree.MountPointPath, staged), []byte("half"), 0o666); err != nil {
		f.Fatal(err)
	}
	return staged
}

// later is a clock by which all of the fixture is old.
func later() time.Time { return time.Now().Add(3 * time.Hour) }

func TestSeededDefects(t *testing.T) {
	n := 4
	if os.Getenv("DFS_TEST_LONG") != "" {
		n = 40
	}
	for _, engine := range []string{"sqlite", "mariadb"} {
		for _, prefix := range []string{onNFS, onS3} {
			t.Run(engine+"/"+filepath.Base(prefix), func(t *testing.T) {
				testSeeds(t, newFixture(t, engine, prefix == onS3), prefix, n)
			})
		}
	}
}

func testSeeds(t *testing.T, f *fixture, prefix string, n int) {
	home := f.home(prefix)
	// Sound files, of all states, that nothing may happen to.
	sound := make(bodies)
	var rows []metadata.Row
	put := func(name string, change func(*metadata.Row)) {
		row := f.row(name, 100)
		if change != nil {
			change(&row)
		}
		rows = append(rows, row)
		sound[[2]string{f.home(name), name}] = 100
	}
	for i := range 20 {
		put(fmt.Sprintf("%ssound/%d", prefix, i), nil)
		put(fmt.Sprintf("%sexpired/%d", prefix, i), func(r *metadata.Row) { r.MTime, r.Expired = -r.MTime, true })
		put(fmt.Sprintf("var/cache/block/%d-1.cache", i), func(r *metadata.Row) { r.Scope, r.Trunk = "viewcache", fmt.Sprintf("var/cache/block/%d-", i) })
	}
	gone := f.row(prefix+"expired/gone", 100)
	gone.MTime, gone.Expired = -gone.MTime, true
	lock := f.row("var/cache/block/x"+metadata.GeneratingSuffix, 5)
	lock.MTime = later().Unix()
	rows = append(rows, gone, lock)
	// And what is to be damaged.
	for _, s := range seeds() {
		for i := range n {
			if s.only == "" || s.only == home {
				put(fmt.Sprintf("%s%s/%d", prefix, s.kind, i), nil)
			}
		}
	}
	f.putRows(rows...)
	f.putBodies(sound)
	if found, summary := f.check(Options{Now: later}); len(found) > 0 || !summary.Clean() {
		t.Fatalf("before any damage: %q, %+v", summarize(found), summary)
	}
	wantAfter := f.state()
	var want, mended []string
	for _, s := range seeds() {
		if s.only != "" && s.only != home {
			continue
		}
		for i := range n {
			name := fmt.Sprintf("%s%s/%d", prefix, s.kind, i)
			found := s.damage(f, name)
			want = append(want, string(s.kind)+" "+found)
			mended = append(mended, string(s.kind)+" "+found+s.action())
			f.settle(wantAfter, s.kind, name)
		}
	}
	hurt := f.state()
	found, _ := f.check(Options{Now: later})
	wantLines(t, "dry run", twinless(summarize(found)), twinless(want))
	if changed := differences(hurt, f.state()); len(changed) > 0 {
		t.Errorf("the dry run changed %q", changed)
	}
	found, summary := f.check(Options{Now: later, Repair: true, Delete: true})
	wantLines(t, "mending", twinless(summarize(found)), twinless(mended))
	if left := summary.Found - summary.Mended; left != int64(n) {
		t.Errorf("%d findings left, want the %d twins", left, n)
	}
	after := f.state()
	for _, key := range differences(wantAfter, after) {
		t.Errorf("after mending %s is %q, want %q", key, after[key], wantAfter[key])
	}
	if found, _ := f.check(Options{Now: later}); len(found) != n {
		t.Errorf("after mending: %q", summarize(found))
	}
}

// action is what is done about a seed that may be mended.
func (s seed) action() string {
	switch {
	case s.kind == StaleGeneration || meaning(s.kind).Fix == Delete:
		return " deleted"
	case meaning(s.kind).Fix == Repair:
		return " repaired"
	}
	return ""
}

// settle changes a state, in which name is sound, to that after a defect was
// mended. Most leave nothing behind.
func (f *fixture) settle(state map[string]string, kind Kind, name string) {
	row := f.row(name, 100)
	rowKey, bodyKey := "row "+row.Table+" "+row.Hash(), "body "+f.home(name)+" "+name
	expire := func() {
		row.MTime, row.Expired = -row.MTime, true
		state[rowKey] = fmt.Sprintf("%+v", row)
	}
	switch kind {
	case OrphanBody:
		delete(state, rowKey)
		delete(state, bodyKey)
	case MissingBody:
		expire()
		delete(state, bodyKey)
	case HalfExpired:
		expire()
	case CaseTwin:
		for _, first := range []string{"/T", "/t"} {
			twin := f.row(filepath.Dir(name)+first+filepath.Base(name), 100)
			state["row "+row.Table+" "+twin.Hash()] = fmt.Sprintf("%+v", twin)
			state["body "+f.home(name)+" "+twin.Name] = state[bodyKey]
		}
	}
}

// twinless leaves out which of two twins is told: both are.
func twinless(lines []string) (list []string) {
	for _, line := range lines {
		if kind := string(CaseTwin); len(line) > len(kind) && line[:len(kind)] == kind {
			line = filepath.Dir(line) + "/" + filepath.Base(line)[1:]
		}
		list = append(list, line)
	}
	slices.Sort(list)
	return list
}

// startUpload leaves an unfinished multipart upload.
func (f *fixture) startUpload(name string) string {
	f.Helper()
	size := int(f.settings.S3["s3"].PartSize) + 1
	_, err := f.backend("s3").Stage(f.Context(), name, bytes.NewReader(make([]byte, size)), backends.Attributes{Size: int64(size)})
	if err != nil {
		f.Fatal(err)
	}
	return name
}
