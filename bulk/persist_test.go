package bulk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// broken lists numbers from the one after after on, and fails before some.
type broken struct {
	at    map[int]int // how often it fails before a number
	err   error
	calls int
}

func (b *broken) list(after string) iter.Seq2[string, error] {
	b.calls++
	first := 0
	if after != "" {
		fmt.Sscan(after, &first)
		first++
	}
	return func(yield func(string, error) bool) {
		for i := first; i < 100; i++ {
			if b.at[i] > 0 {
				b.at[i]--
				yield("", b.err)
				return
			}
			if !yield(fmt.Sprint(i), nil) {
				return
			}
		}
	}
}

// TestResume: a listing that a service breaks off goes on where it was; whatever
// else breaks it off is its end.
func TestResume(t *testing.T) {
	silent := &backends.Error{Backend: "nfs:cold", Op: "list", Kind: backends.ErrUnavailable, Err: errors.New("connection refused")}
	denied := &backends.Error{Backend: "nfs:cold", Op: "list", Kind: fs.ErrPermission}
	database := &metadata.Error{Op: "list", Kind: metadata.ErrUnavailable}
	old := errors.New("the old one is down")
	for name, c := range map[string]struct {
		list   broken
		down   bool // for good
		want   int
		calls  int
		ends   string // what the elements end with
		result string
	}{
		"nothing breaks":     {broken{}, false, 100, 1, "", ""},
		"a store":            {broken{map[int]int{30: 1}, silent, 0}, false, 100, 2, "", ""},
		"at once":            {broken{map[int]int{0: 2}, silent, 0}, false, 100, 3, "", ""},
		"often":              {broken{map[int]int{1: 3, 2: 3, 50: 3, 99: 3}, silent, 0}, false, 100, 13, "", ""},
		"the database":       {broken{map[int]int{30: 1}, database, 0}, false, 100, 2, "", ""},
		"another service":    {broken{map[int]int{30: 1}, old, 0}, false, 100, 2, "", ""},
		"it always breaks":   {broken{map[int]int{30: 9}, silent, 0}, false, 30, 4, "connection refused", ""},
		"refused":            {broken{map[int]int{30: 1}, denied, 0}, false, 30, 1, "permission", ""},
		"down for good":      {broken{map[int]int{30: 9}, silent, 0}, true, 30, 1, "", "ended early; once nfs:cold works again, the same command goes on: nfs:cold: list"},
		"the other for good": {broken{map[int]int{30: 9}, old, 0}, true, 30, 1, "", "ended early; once the old cluster works again, the same command goes on: the old one is down"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster, _, _ := newShaky(t)
			o := NewOutages(cluster, impatient, new(Progress), Service{Name: "the old cluster", Silent: func(err error) bool { return err == old }})
			for _, s := range o.services {
				s.Ping = func(context.Context) error {
					if c.down {
						return c.list.err
					}
					return nil
				}
			}
			var got []string
			var ended error
			for element, err := range Resume(t.Context(), o, c.list.list, func(s string) string { return s }) {
				if ended = err; err == nil {
					got = append(got, element)
				}
			}
			var want []string
			for i := range c.want {
				want = append(want, fmt.Sprint(i))
			}
			if !slices.Equal(got, want) || c.list.calls != c.calls {
				t.Errorf("listed %d elements, want %d: %q; %d calls, want %d", len(got), c.want, got, c.list.calls, c.calls)
			}
			if c.ends == "" && ended != nil || c.ends != "" && (ended == nil || !strings.Contains(ended.Error(), c.ends)) {
				t.Errorf("ended with %v, want %q", ended, c.ends)
			}
			if err := o.Result(t.Context(), "listing", nil); c.result == "" && err != nil || c.result != "" && (err == nil || !strings.HasPrefix(err.Error(), c.result)) {
				t.Errorf("the result is %v, want %q", err, c.result)
			}
		})
	}
}

// TestResumeInterrupted: Ctrl-C while a listing waits for its store, and whoever has
// seen enough.
func TestResumeInterrupted(t *testing.T) {
	c, _, store := newShaky(t)
	store.after.Store(0)
	o := NewOutages(c, Waiting{Patience: time.Hour}, new(Progress))
	list := broken{map[int]int{3: 1}, &backends.Error{Backend: "nfs:cold", Op: "list", Kind: backends.ErrUnavailable}, 0}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for store.pings.Load() < 2 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	n := 0
	for _, err := range Resume(ctx, o, list.list, func(s string) string { return s }) {
		if n++; (err != nil) != (n == 4) {
			t.Errorf("element %d: %v", n, err)
		}
	}
	if n != 4 || list.calls != 1 {
		t.Errorf("%d elements, %d calls", n, list.calls)
	}
	for range Resume(t.Context(), o, list.list, func(s string) string { return s }) {
		break
	}
}
