package metadata

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestObserver is told of every operation, with its outcome.
func TestObserver(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	config := sqliteTestConfig(t)
	config.Observe = func(ctx context.Context, op string, took time.Duration, err error) {
		if ctx == nil || took < 0 {
			t.Errorf("%s: %v, %v", op, ctx, took)
		}
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%s %v", op, err == nil))
	}
	s := createTest(t, config)
	seen = nil
	ctx := t.Context()
	if err := s.Ping(ctx); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(ctx, "var/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	put(t, s, Row{Name: "var/a", MTime: 1})
	enough := errors.New("enough")
	if err := s.Update(ctx, func(*Tx) error { return enough }); err != enough {
		t.Error(err)
	}
	for _, err := range s.Rows(ctx, Filter{}) {
		if err != nil {
			t.Error(err)
		}
	}
	list := slices.Index(seen, "list true")
	if want := []string{"ping true", "get true", "update true", "update false"}; list < 0 || !slices.Equal(seen[:list], want) {
		t.Errorf("saw %q", seen)
	}
}
