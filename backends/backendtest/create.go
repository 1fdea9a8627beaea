package backendtest

import (
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/ezdfs/backends"
)

// createTests are for stores that can keep a body from replacing another.
var createTests = []test{
	{"only where there is nothing", func(t *testing.T, h Harness, s store) {
		if h.IgnoresCreate {
			t.Skip("the service replaces what is there")
		}
		for name, size := range map[string]int{"dir/small": 10, "dir/large": h.LargeBody} {
			first, second := random(41, size), random(42, size)
			publishNew(t, s.stage(t, name, first, unknown), nil)
			refused := s.stage(t, name, second, unknown)
			publishNew(t, refused, fs.ErrExist)
			s.wantBody(t, name, string(first))
			if err := refused.Publish(t.Context()); err != nil {
				t.Errorf("%s: Publish after a PublishNew that was refused: %v", name, err)
			}
			s.wantBody(t, name, string(second))
			if err := s.Delete(t.Context(), []string{name}); err != nil {
				t.Fatal(err)
			}
			publishNew(t, s.stage(t, name, first, unknown), nil)
		}
	}},
	{"one of many", func(t *testing.T, h Harness, s store) {
		if h.IgnoresCreate {
			t.Skip("the service replaces what is there")
		}
		var creators sync.WaitGroup
		var created atomic.Int32
		for i := range 8 {
			staged := s.stage(t, "dir/a", random(uint64(i), 1000), unknown)
			creator, ok := staged.(backends.Creator)
			if !ok {
				t.Skip("nothing keeps a body from replacing another here")
			}
			creators.Go(func() {
				switch err := creator.PublishNew(t.Context()); {
				case err == nil:
					created.Add(1)
				case !errors.Is(err, fs.ErrExist) && !backends.IsRetryable(err):
					t.Error(err)
				}
			})
		}
		creators.Wait()
		if created.Load() != 1 {
			t.Errorf("%d have created the same path", created.Load())
		}
	}},
}

// publishNew publishes where there is nothing, or is refused with want.
func publishNew(t *testing.T, staged backends.Staged, want error) {
	t.Helper()
	creator, ok := staged.(backends.Creator)
	if !ok {
		t.Skip("nothing keeps a body from replacing another here")
	}
	if err := creator.PublishNew(t.Context()); !errors.Is(err, want) {
		t.Errorf("PublishNew: %v, want %v", err, want)
	}
}
