package memcached

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/events"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var layout = metadata.Layout{VarDir: "var", CacheDir: "cache", StorageDir: "storage", CacheTable: "ezdfsfile_cache"}

// database stands for the tables. Size counts the versions of a row.
type database struct {
	mu   sync.Mutex
	rows map[string]metadata.Row
}

// put changes a row, which has the trunk that its scope gives it.
func (d *database) put(name, scope string) metadata.Row {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rows == nil {
		d.rows = map[string]metadata.Row{}
	}
	row := metadata.Row{
		Name: name, Trunk: layout.Trunk(name, scope), Scope: scope, DataType: "text/plain",
		Size: d.rows[name].Size + 1, MTime: 1_700_000_000, Table: layout.Table(name),
	}
	d.rows[name] = row
	return row
}

func (d *database) get(name string) (metadata.Row, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	row, ok := d.rows[name]
	return row, ok
}

// family is an Options.Family.
func (d *database) family(_ context.Context, e events.Event) iter.Seq2[string, error] {
	d.mu.Lock()
	rows := slices.Collect(maps.Values(d.rows))
	d.mu.Unlock()
	return func(yield func(string, error) bool) {
		for _, row := range rows {
			if inFamily(e, row) && !yield(row.Name, nil) {
				return
			}
		}
	}
}

func inFamily(e events.Event, row metadata.Row) bool {
	switch e.Kind {
	case events.DeleteByNametrunk:
		return row.Trunk == e.Subject
	case events.DeleteByScope:
		return row.Scope == e.Subject
	case events.DeleteByWildcard:
		prefix, suffix, _ := strings.Cut(e.Subject, "*")
		return strings.HasPrefix(row.Name, prefix) && strings.HasSuffix(row.Name, suffix)
	}
	return strings.HasPrefix(row.Name, e.Subject)
}

// host is a cluster's use of the listener, without the hub's queue in between.
type host struct {
	*Listener
	db *database
}

// patient is a Timeout that servers which run do not exceed, on a machine with
// much else to do; hasty one that those which do not may be waited for.
const (
	patient = 20 * time.Second
	hasty   = time.Second
)

// hurry gives a host another Timeout.
func (h host) hurry() host {
	for _, s := range h.servers {
		s.client.Timeout = hasty
		dial := s.client.DialContext
		s.client.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &boundedConn{Conn: conn.(*boundedConn).Conn, timeout: hasty}, nil
		}
	}
	return h
}

// newHost returns a host that uses these servers. Its Close is not an error.
func newHost(t testing.TB, db *database, shared bool, servers ...*testservice.Memcached) host {
	t.Helper()
	h := openHost(t, db, shared, servers...)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// openHost is newHost for who closes it.
func openHost(t testing.TB, db *database, shared bool, servers ...*testservice.Memcached) host {
	t.Helper()
	s := settings.Memcached{
		PrefixKey: "t_", TTL: time.Hour, SharedWithPHP: shared,
		Timeout: patient, ConnectTimeout: patient,
	}
	for _, server := range servers {
		s.Servers = append(s.Servers, server.Addr)
	}
	l, err := New(s, Options{Layout: layout, Family: db.family})
	if err != nil {
		t.Fatal(err)
	}
	return host{l, db}
}

// ask asks the filter.
func (h host) ask(t testing.TB, name string) (metadata.Row, bool) {
	t.Helper()
	answer, err := h.LoadMetadata(context.Background(), name)
	if err != nil {
		t.Errorf("LoadMetadata(%q): %v", name, err)
	}
	if answer.Known != answer.Exists {
		t.Errorf("LoadMetadata(%q): known %v, exists %v", name, answer.Known, answer.Exists)
	}
	return answer.Row, answer.Known
}

// load does what a cluster does for a row, and tells whether memcached knew.
func (h host) load(t testing.TB, name string) (row metadata.Row, known bool) {
	t.Helper()
	if row, known = h.ask(t, name); known {
		return row, true
	}
	asked := time.Now()
	row, ok := h.db.get(name)
	h.came(t, row, ok, asked)
	return row, false
}

// came tells the listener of a row.
func (h host) came(t testing.TB, row metadata.Row, exists bool, asked time.Time) {
	t.Helper()
	h.tell(t, events.Event{Kind: events.StoreMetadata, Row: row, Missing: !exists, Time: asked})
}

func (h host) tell(t testing.TB, batch ...events.Event) {
	t.Helper()
	if err := h.Notify(context.Background(), batch); err != nil {
		t.Errorf("Notify: %v", err)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func deleteFile(name string) events.Event {
	return events.Event{Kind: events.DeleteFile, Subject: name}
}

// keep loads a path twice: now memcached has it.
func (h host) keep(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		h.load(t, name)
		if _, known := h.ask(t, name); !known {
			t.Errorf("%s was not kept", name)
		}
	}
}

// expect compares what memcached knows of paths with what it should.
func (h host) expect(t testing.TB, known bool, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, is := h.ask(t, name); is != known {
			t.Errorf("%s: known %v, want %v", name, is, known)
		}
	}
}
