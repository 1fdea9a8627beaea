package cluster

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

// named is a backend that notes which paths were opened.
type named struct {
	backends.Backend
	opened *[]string
}

func (n named) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	*n.opened = append(*n.opened, path)
	return n.Backend.Open(ctx, path, offset, length)
}

// TestWatch puts a wrapper around each backend and listens to the database.
func TestWatch(t *testing.T) {
	var mu sync.Mutex
	var opened, ops []string
	c := newCluster(t,
		WithBackendWrapper(func(b backends.Backend) backends.Backend { return named{b, &opened} }),
		WithDatabaseObserver(func(_ context.Context, op string, _ time.Duration, _ error) {
			mu.Lock()
			defer mu.Unlock()
			ops = append(ops, op)
		}))
	c.mustStore(t, "var/a", "hello")
	if got := c.contents(t, "var/a"); got != "hello" {
		t.Errorf("read %q", got)
	}
	if !slices.Equal(opened, []string{"var/a"}) {
		t.Errorf("opened %q", opened)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Contains(ops, "update") || !slices.Contains(ops, "get") {
		t.Errorf("the database did %q", ops)
	}
}
