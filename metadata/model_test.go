package metadata

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestModel runs random operations against a map.
func TestModel(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		rapid.Check(t, func(r *rapid.T) {
			m := model{t: t, s: s, rows: make(map[string]Row)}
			m.clear(r)
			r.Repeat(map[string]func(*rapid.T){
				"upsert": m.upsert, "delete": m.delete, "expire": m.expire, "family": m.family, "get": m.get, "": m.check,
			})
		})
	})
}

// model is what the store should hold.
type model struct {
	t    *testing.T
	s    *Store
	rows map[string]Row
}

var (
	genName  = rapid.Map(rapid.IntRange(0, 11), func(i int) string { return []string{"var/s/storage/", "var/s/cache/2-"}[i%2] + twins[i][14:] })
	genScope = rapid.SampledFrom([]string{"", "image", "viewcache"})
)

func (m *model) upsert(r *rapid.T) {
	var rows []Row
	for _, name := range rapid.SliceOfN(genName, 1, 4).Draw(r, "names") {
		row := Row{Name: name, Scope: genScope.Draw(r, "scope"), DataType: "a/b", Size: int64(rapid.IntRange(0, 9).Draw(r, "size")),
			MTime: int64(rapid.IntRange(1, 9).Draw(r, "mtime")), Table: m.s.Layout().Table(name)}
		row.Trunk = m.s.Layout().Trunk(name, row.Scope)
		rows = append(rows, row)
	}
	keep := rapid.Bool().Draw(r, "commit")
	undo := errors.New("rolled back")
	err := m.s.Update(m.t.Context(), func(tx *Tx) error {
		if err := tx.Upsert(rows...); err != nil || keep {
			return err
		}
		return undo
	})
	if keep != (err == nil) || !keep && err != undo {
		r.Fatal(err)
	}
	for _, row := range rows {
		if keep {
			m.rows[row.Name] = row
		}
	}
}

func (m *model) delete(r *rapid.T) {
	name := genName.Draw(r, "name")
	_, there := m.rows[name]
	delete(m.rows, name)
	err := m.s.Update(m.t.Context(), func(tx *Tx) error {
		n, err := tx.Delete(Row{Name: name})
		if (n == 1) != there {
			r.Errorf("%d rows deleted", n)
		}
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
}

func (m *model) expire(r *rapid.T) {
	name := genName.Draw(r, "name")
	want := m.expireIf(func(row Row) bool { return row.Name == name })
	if n, err := m.s.Expire(m.t.Context(), name, name); n != want || err != nil {
		r.Fatalf("%d, want %d, %v", n, want, err)
	}
}

func (m *model) family(r *rapid.T) {
	name := genName.Draw(r, "name")
	name = string([]rune(name)[:rapid.IntRange(7, len([]rune(name))).Draw(r, "length")])
	var n, want int64
	var err error
	switch rapid.SampledFrom([]string{"prefix", "trunk", "wildcard"}).Draw(r, "family") {
	case "prefix":
		want = m.expireIf(func(row Row) bool { return strings.HasPrefix(row.Name, name) })
		n, err = m.s.ExpirePrefix(m.t.Context(), name)
	case "trunk":
		want = m.expireIf(func(row Row) bool { return row.Trunk == name })
		n, err = m.s.ExpireTrunk(m.t.Context(), name)
	case "wildcard":
		want = m.expireIf(func(row Row) bool { return matches(name+"*g", row.Name) })
		n, err = m.s.ExpireWildcard(m.t.Context(), name+"*g")
	}
	if n != want || err != nil {
		r.Fatalf("%q: %d, want %d, %v", name, n, want, err)
	}
}

// expireIf expires rows of the model and counts them.
func (m *model) expireIf(takes func(Row) bool) (n int64) {
	for name, row := range m.rows {
		if takes(row) && row.Live() {
			row.MTime, row.Expired = -row.MTime, true
			m.rows[name] = row
			n++
		}
	}
	return n
}

func (m *model) get(r *rapid.T) {
	name := genName.Draw(r, "name")
	row, err := m.s.Get(m.t.Context(), name)
	if want, ok := m.rows[name]; row != want || ok != (err == nil) || !ok && !errors.Is(err, fs.ErrNotExist) {
		r.Fatalf("%q: %+v, %v; want %+v", name, row, err, want)
	}
}

// check compares everything, with and without an index.
func (m *model) check(r *rapid.T) {
	for _, prefix := range []string{"", "var/s/"} {
		n := 0
		for row, err := range m.s.Rows(m.t.Context(), Filter{Prefix: prefix, PageSize: 3}) {
			if err != nil || row != m.rows[row.Name] {
				r.Fatalf("%+v, %v; want %+v", row, err, m.rows[row.Name])
			}
			n++
		}
		if n != len(m.rows) {
			r.Fatal(fmt.Errorf("%d rows, want %d", n, len(m.rows)))
		}
	}
}

// clear removes what an earlier run left.
func (m *model) clear(r *rapid.T) {
	var rows []Row
	for row, err := range m.s.Rows(m.t.Context(), Filter{}) {
		if err != nil {
			r.Fatal(err)
		}
		rows = append(rows, row)
	}
	err := m.s.Update(m.t.Context(), func(tx *Tx) error { _, err := tx.Delete(rows...); return err })
	if err != nil {
		r.Fatal(err)
	}
}
