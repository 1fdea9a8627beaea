package cluster

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/events/rowcache"
)

// TestOpenRow: the body of a row costs no question; a row that is out of date
// is found out by what the store holds.
func TestOpenRow(t *testing.T) {
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	c := open(t, s, WithListeners(rowcache.New(rowcache.Options{TTL: time.Hour})))
	name := onNFS + "a"
	put := func(body string) {
		t.Helper()
		if _, err := c.Store(t.Context(), name, strings.NewReader(body), StoreOptions{Scope: "image"}); err != nil {
			t.Fatal(err)
		}
	}
	put("one")
	old, err := c.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	read := func(options ...ReadOption) (string, int64) {
		t.Helper()
		f, err := c.OpenRow(t.Context(), old, options...)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		data, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(data), f.Row.Size
	}
	if body, size := read(Range(1, 2)); body != "ne" || size != 3 {
		t.Errorf("%q of %d", body, size)
	}
	put("two, longer")
	if body, size := read(Range(5, -1)); body != "longer" || size != 11 {
		t.Errorf("%q of %d", body, size)
	}
	if err := os.Remove(s.DFS.MountPointPath + "/" + name); err != nil {
		t.Fatal(err)
	}
	var missing *BodyMissingError
	if _, err := c.OpenRow(t.Context(), old); !errors.As(err, &missing) {
		t.Errorf("without a body: %v", err)
	}
	if _, err := c.Expire(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	var expired *ExpiredError
	if _, err := c.OpenRow(t.Context(), old); !errors.As(err, &expired) {
		t.Errorf("expired: %v", err)
	}
}

// TestOpenFresh asks the database whatever a cache says.
func TestOpenFresh(t *testing.T) {
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	c := open(t, s, WithListeners(rowcache.New(rowcache.Options{TTL: time.Hour})))
	name := onNFS + "a"
	row, err := c.Store(t.Context(), name, strings.NewReader("body"), StoreOptions{Scope: "image"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Stat(t.Context(), name); err != nil { // fills the cache
		t.Fatal(err)
	}
	other := open(t, s) // whose changes nobody here hears of at once
	if _, err := other.Expire(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(t.Context(), row.Name, Fresh()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("fresh: %v", err)
	}
}
