package check

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/settings"
)

// statted is a backend that remembers what it was asked for.
type statted struct {
	backends.Backend
	mu    *sync.Mutex
	paths *[]string
}

func (s statted) Stat(ctx context.Context, path string) (backends.Info, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.paths = append(*s.paths, path)
	return s.Backend.Stat(ctx, path)
}

// TestBothBodiesOfAMigration looks at no file again whose bodies on both stores
// are its row's, and at the others, of which only the one that readers find has
// to be.
func TestBothBodiesOfAMigration(t *testing.T) {
	s := newSettings(t, "sqlite", false)
	s.Dispatch.MigrateFrom = []settings.Rule{{Prefix: onNFS, Backend: past}}
	var mu sync.Mutex
	var asked []string
	f := openFixture(t, s, cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend {
		return statted{b, &mu, &asked}
	}))
	f.fill(20, "nfs", past)
	if found, summary := f.check(Options{Now: later}); len(found) > 0 || !summary.Clean() || len(asked) > 0 {
		t.Errorf("%q, %+v, asked for %q", summarize(found), summary, asked)
	}
	for i, name := range []string{"old-size", "old-time", "new-size", "new-time"} {
		f.putRows(f.row(onNFS+name, 5))
		new, old := 5, 5
		switch i {
		case 0:
			old = 7
		case 2:
			new = 7
		}
		f.putBodies(bodies{{"nfs", onNFS + name}: new, {past, onNFS + name}: old})
	}
	for tree, name := range map[string]string{past: "old-time", "nfs": "new-time"} {
		if err := f.putBody(tree, onNFS+name, 5, f.long.Add(-5e9)); err != nil {
			t.Fatal(err)
		}
	}
	found, _ := f.check(Options{Now: later})
	wantLines(t, "damaged", summarize(found), []string{"wrong-size " + onNFS + "new-size", "wrong-time " + onNFS + "new-time"})
	slices.Sort(asked)
	if got, want := fmt.Sprint(slices.Compact(asked)), fmt.Sprint([]string{onNFS + "new-size", onNFS + "new-time", onNFS + "old-size", onNFS + "old-time"}); got != want {
		t.Errorf("looked again at %s, want %s", got, want)
	}
}
