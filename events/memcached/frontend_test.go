package memcached

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// vectors is what PHP's own client does; see testdata/vectors.php.
type vectors struct {
	Servers []struct {
		Prefix  string
		Weights []any
		At      map[string]int
	}
	Values map[string]struct {
		Flags uint32
		Value string
	}
}

func loadVectors(tb testing.TB) vectors {
	tb.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// item returns a value as PHP stored it.
func (v vectors) item(tb testing.TB, name string) *memcache.Item {
	tb.Helper()
	value, err := base64.StdEncoding.DecodeString(v.Values[name].Value)
	if err != nil || len(value) == 0 {
		tb.Fatalf("vectors.json: no value %q: %v", name, err)
	}
	return &memcache.Item{Flags: v.Values[name].Flags, Value: value}
}

// frontend does what the legacy listener of a PHP frontend does, on the same
// servers as host; where it keeps what is what the vectors prove.
type frontend struct {
	t       testing.TB
	clients []*memcache.Client
}

func newFrontend(t testing.TB, servers ...*testservice.Memcached) frontend {
	f := frontend{t: t}
	for _, server := range servers {
		client := memcache.New(server.Addr)
		client.Timeout = 10 * time.Second
		t.Cleanup(func() { client.Close() })
		f.clients = append(f.clients, client)
	}
	return f
}

func (f frontend) on(key string) *memcache.Client {
	return f.clients[oneAtATime(key)%uint32(len(f.clients))]
}

func (f frontend) get(key string) *memcache.Item {
	f.t.Helper()
	item, err := f.on(key).Get("t_" + key)
	if err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
		f.t.Fatal(err)
	}
	return item
}

func (f frontend) set(key string, value any) {
	f.t.Helper()
	item := &memcache.Item{Key: "t_" + key, Flags: flagPHP, Value: appendPHP(nil, value)}
	if err := f.on(key).Set(item); err != nil {
		f.t.Fatal(err)
	}
}

func (f frontend) delete(key string) {
	f.t.Helper()
	if err := f.on(key).Delete("t_" + key); err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
		f.t.Fatal(err)
	}
}

// load is loadMetadata.
func (f frontend) load(name string) (metadata.Row, bool) {
	f.t.Helper()
	c, ok := decodeRow(name, f.get(metadata.Hash(name)))
	return c.row, ok
}

// store is storeMetadata.
func (f frontend) store(row metadata.Row) {
	f.t.Helper()
	c := encodeRow(row, nil)
	array, _ := decodeArray(c)
	f.set(row.Hash(), array[:len(array)-1]) // without our element
	if row.Trunk == row.Name {
		return
	}
	entries, _ := decodeArray(f.get(row.Trunk))
	if entries.get(row.Hash()) == nil {
		f.set(row.Trunk, append(entries, phpEntry{row.Hash(), true}))
	}
}

// deleteFile is what PHP does for one path.
func (f frontend) deleteFile(name string) { f.delete(metadata.Hash(name)) }

// deleteTrunk is deleteByNametrunk, with its mistake.
func (f frontend) deleteTrunk(trunk string) {
	f.t.Helper()
	entries, ok := decodeArray(f.get(trunk))
	if !ok {
		return
	}
	for _, e := range entries {
		f.delete(metadata.Hash(e.key.(string)))
	}
	f.delete(trunk)
}

// flush is what PHP does for every other family.
func (f frontend) flush() {
	f.t.Helper()
	for _, client := range f.clients {
		if err := client.FlushAll(); err != nil {
			f.t.Fatal(err)
		}
	}
}
