package binlog

import (
	"fmt"
	"sync"
	"testing"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// TestVisible: whoever is told of a change and reads the row sees it, or a
// later one.
func TestVisible(t *testing.T) {
	s := newSite(t, db)
	source := s.open(t)
	f := follow(t, source, head(t, source))
	const writers, each = 4, 300
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				s.put(t, fmt.Sprint("w", w), fmt.Sprint("v", i), 1)
			}
		})
	}
	defer all.Wait()
	for range writers * each {
		c := <-f.changes
		var scope string
		err := s.pool.QueryRow("SELECT scope FROM ezdfsfile WHERE name_hash = ?", metadata.Hash(c.Subject)).Scan(&scope)
		var told, seen int
		fmt.Sscanf(c.Scope, "v%d", &told)
		if n, _ := fmt.Sscanf(scope, "v%d", &seen); err != nil || n != 1 || seen < told {
			t.Fatalf("%s at %s: told %s, seen %q, %v", c.Subject, c.Position, c.Scope, scope, err)
		}
	}
	f.end(t)
}

func TestIncludes(t *testing.T) {
	at := func(text string) committed {
		p, err := parsePlace(changes.Position("binlog:" + text))
		if err != nil {
			t.Fatal(err)
		}
		return committed{p.state}
	}
	id := at("mysql:" + uuid1 + ":1").state.(*mysqlState).set.Sets[uuid1].SID
	for _, test := range []struct {
		at   committed
		tx   transaction
		want bool
	}{
		{at("file:u:b.000002:100"), transaction{file: "b.000002", offset: 100}, true},
		{at("file:u:b.000002:100"), transaction{file: "b.000002", offset: 101}, false},
		{at("file:u:b.000002:100"), transaction{file: "b.000001", offset: 999}, true},
		{at("file:u:b.000002:100"), transaction{file: "b.000003", offset: 4}, false},
		{committed{&fileState{}}, transaction{file: "b.000003", offset: 4}, true}, // nothing was committed since the server started
		{at("mysql:" + uuid1 + ":1-5"), transaction{sid: id, gno: 5}, true},
		{at("mysql:" + uuid1 + ":1-5"), transaction{sid: id, gno: 6}, false},
		{at("mysql:" + uuid1 + ":1-5"), transaction{}, true}, // anonymous
		{committed{}, transaction{}, false},
	} {
		if got := test.at.includes(test.tx); got != test.want {
			t.Errorf("%+v includes %+v: %v", test.at.state, test.tx, got)
		}
	}
}
