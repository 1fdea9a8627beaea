package cluster

import (
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/dispatcher"
)

// TestReadsWhileTheNewStoreIsDown: what the store that a path migrates from
// still has of it is read meanwhile, unless it is out of date.
func TestReadsWhileTheNewStoreIsDown(t *testing.T) {
	const path = "m/a"
	stored := time.Unix(1_700_000_000, 0)
	for name, test := range map[string]struct {
		second string // body there
		age    time.Duration
		want   string
	}{
		"the row's body":         {"body", 0, "body"},
		"another program's time": {"body", -time.Minute, "body"},
		"an older one":           {"body", time.Second, ""},
		"another size":           {"older", 0, ""},
		"none":                   {"", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := nfsSettings(t, "sqlite")
			createSchema(t, s)
			first, second := backendtest.NewMemory("first"), backendtest.NewMemory("second")
			router, err := dispatcher.NewRouter([]dispatcher.Rule{{Key: "m/", Backend: "first"}}, dispatcher.Prefix)
			if err != nil {
				t.Fatal(err)
			}
			stores, err := dispatcher.New(router, "second", map[string]backends.Backend{"first": first, "second": second},
				dispatcher.WithMigrations(dispatcher.Migration{Prefix: "m/", From: "second"}))
			if err != nil {
				t.Fatal(err)
			}
			c := New(open(t, s).meta, stores, s)
			row, err := c.Store(t.Context(), path, strings.NewReader("body"), StoreOptions{ModTime: stored})
			if err != nil {
				t.Fatal(err)
			}
			if test.second != "" {
				putAged(t, second, path, test.second, stored.Add(-test.age))
			}
			first.SetDown(true)
			for reads, open := range map[string]func() (*File, error){
				"Open":    func() (*File, error) { return c.Open(t.Context(), path, Range(1, 2)) },
				"OpenRow": func() (*File, error) { return c.OpenRow(t.Context(), row, Range(1, 2)) },
			} {
				f, err := open()
				if test.want == "" {
					if !errors.Is(err, backends.ErrUnavailable) || !strings.Contains(err.Error(), "first") {
						t.Errorf("%s: %v", reads, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", reads, err)
					continue
				}
				part := make([]byte, 8)
				if n, _ := f.Read(part); string(part[:n]) != test.want[1:3] {
					t.Errorf("%s reads %q", reads, part[:n])
				}
				f.Close()
			}
		})
	}
}

// putAged puts a body past the cluster.
func putAged(t *testing.T, store backends.Backend, path, body string, at time.Time) {
	t.Helper()
	staged, err := store.Stage(t.Context(), path, strings.NewReader(body), backends.Attributes{Size: int64(len(body)), ModTime: at})
	if err == nil {
		err = staged.Publish(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}
