package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// live returns the live names in order.
func live(t *testing.T, c *Cluster, options ListOptions) []string {
	t.Helper()
	expired := false
	options.Expired = &expired
	var names []string
	for row, err := range c.List(t.Context(), options) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, row.Name)
	}
	slices.Sort(names)
	return names
}

func TestExpireFamilies(t *testing.T) {
	const view, block = "var/s/cache/content/site/", "var/s/cache/template-block/"
	files := map[string]string{ // path → scope
		view + "1/2-aaa.cache":               "viewcache",
		view + "1/2-bbb.cache":               "viewcache",
		view + "1/12-14-aaa.cache":           "viewcache",
		view + "1/12-15-aaa.cache":           "viewcache",
		block + "subtree/1/2/cache/x.cache":  "template-block",
		block + "subtree/1/2/3/cache/x":      "template-block",
		"var/s/storage/images/a.png":         "image",
		"var/s/storage/images/A.png":         "image",
		"var/s/storage/images/a%b_.png":      "image",
		"var/s/storage/images/axbc.png":      "image",
		"var/s/storage/images-versioned/a":   "image",
		"var/s/storage/images/a.png ":        "image",
		"var/s/storage/original/pdf/a-1.pdf": "binaryfile",
	}
	ctx := context.Background()
	for name, test := range map[string]struct {
		expire func(c *Cluster) (int64, error)
		want   []string // what went
	}{
		"prefix": {
			func(c *Cluster) (int64, error) { return c.ExpirePrefix(ctx, "var/s/storage/images/a") },
			[]string{"var/s/storage/images/a%b_.png", "var/s/storage/images/a.png", "var/s/storage/images/a.png ", "var/s/storage/images/axbc.png"},
		},
		"directory": {
			func(c *Cluster) (int64, error) { return c.ExpirePrefix(ctx, "var//s/storage/images-versioned/") },
			[]string{"var/s/storage/images-versioned/a"},
		},
		"prefix with wildcards of SQL": {
			func(c *Cluster) (int64, error) { return c.ExpirePrefix(ctx, "var/s/storage/images/a%b_") },
			[]string{"var/s/storage/images/a%b_.png"},
		},
		"trunk": {
			func(c *Cluster) (int64, error) { return c.ExpireTrunk(ctx, view+"1/2-") },
			[]string{view + "1/2-aaa.cache", view + "1/2-bbb.cache"},
		},
		"trunk of one file": {
			func(c *Cluster) (int64, error) { return c.ExpireTrunk(ctx, "var/s/storage/images/a.png") },
			[]string{"var/s/storage/images/a.png"},
		},
		"wildcard": {
			func(c *Cluster) (int64, error) { return c.ExpireWildcard(ctx, "var/s/storage/images/{a,A}.png") },
			[]string{"var/s/storage/images/A.png", "var/s/storage/images/a.png"},
		},
		"wildcard over directories": {
			func(c *Cluster) (int64, error) { return c.ExpireWildcard(ctx, "var/s/*.cache") },
			[]string{view + "1/12-14-aaa.cache", view + "1/12-15-aaa.cache", view + "1/2-aaa.cache", view + "1/2-bbb.cache", block + "subtree/1/2/cache/x.cache"},
		},
		"directories of a view cache": {
			func(c *Cluster) (int64, error) {
				return c.ExpireDirList(ctx, []string{"site/1", "other/1"}, "var/s/cache/content", "2-")
			},
			[]string{view + "1/2-aaa.cache", view + "1/2-bbb.cache"},
		},
		"one user's view": {
			func(c *Cluster) (int64, error) {
				return c.ExpireDirList(ctx, []string{"site/1"}, "var/s/cache/content", "12-14-")
			},
			[]string{view + "1/12-14-aaa.cache"},
		},
		"subtree of template blocks": {
			func(c *Cluster) (int64, error) {
				return c.ExpireDirList(ctx, []string{"subtree/1/2"}, "var/s/cache/template-block", "cache/")
			},
			[]string{block + "subtree/1/2/cache/x.cache"},
		},
		"directories elsewhere": {
			func(c *Cluster) (int64, error) {
				return c.ExpireDirList(ctx, []string{"images", "original"}, "var/s/storage", "a")
			},
			[]string{"var/s/storage/images/a%b_.png", "var/s/storage/images/a.png", "var/s/storage/images/a.png ", "var/s/storage/images/axbc.png"},
		},
	} {
		for engine := range engines {
			t.Run(name+"/"+engine, func(t *testing.T) {
				s := nfsSettings(t, engine)
				createSchema(t, s)
				c := open(t, s)
				for path, scope := range files {
					if _, err := c.Store(t.Context(), path, strings.NewReader("body"), StoreOptions{Scope: scope}); err != nil {
						t.Fatal(err)
					}
				}
				before := live(t, c, ListOptions{})
				n, err := test.expire(c)
				if err != nil {
					t.Fatal(err)
				}
				after := live(t, c, ListOptions{})
				gone := slices.DeleteFunc(before, func(name string) bool { return slices.Contains(after, name) })
				if !slices.Equal(gone, test.want) || n != int64(len(gone)) {
					t.Errorf("expired %d:\n%q, want\n%q", n, gone, test.want)
				}
			})
		}
	}
}

func TestList(t *testing.T) {
	c := newCluster(t)
	for i := range 7 {
		scope := []string{"image", "viewcache", ""}[i%3]
		path := fmt.Sprintf("var/%s/%d", []string{"storage", "cache"}[i%2], i)
		if _, err := c.Store(t.Context(), path, strings.NewReader("body"), StoreOptions{Scope: scope}); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		options ListOptions
		want    string
	}{
		"all":     {ListOptions{}, "[var/cache/1 var/cache/3 var/cache/5 var/storage/0 var/storage/2 var/storage/4 var/storage/6]"},
		"prefix":  {ListOptions{Prefix: "var/cac"}, "[var/cache/1 var/cache/3 var/cache/5]"},
		"scopes":  {ListOptions{Scopes: []string{"image", UnknownScope}}, "[var/cache/3 var/cache/5 var/storage/0 var/storage/2 var/storage/6]"},
		"without": {ListOptions{ExcludeScopes: []string{"image"}}, "[var/cache/1 var/cache/5 var/storage/2 var/storage/4]"},
	} {
		if got := fmt.Sprint(live(t, c, test.options)); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	var last error
	for _, err := range c.List(t.Context(), ListOptions{Prefix: "../x"}) {
		last = err
	}
	if last == nil {
		t.Error("a prefix with .. is listed")
	}
}

// clock is a time that a test moves.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }
