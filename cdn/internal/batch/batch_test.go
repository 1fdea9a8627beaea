package batch

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"example.com/ezdfs/cdn"
)

func parts(n int) []Part {
	list := make([]Part, n)
	for i := range list {
		list[i] = Part{i, []string{fmt.Sprint(i)}}
	}
	return list
}

func TestChunks(t *testing.T) {
	list := append(parts(5), Part{5, []string{"a", "b", "c", "d"}}, Part{6, []string{"e"}})
	var sizes []int
	var order []int
	for _, chunk := range Chunks(list, 3) {
		n := 0
		for _, p := range chunk {
			n += len(p.Objects)
			order = append(order, p.Item)
		}
		sizes = append(sizes, n)
	}
	if !slices.Equal(sizes, []int{3, 2, 4, 1}) || !slices.IsSorted(order) || len(order) != len(list) {
		t.Errorf("chunks of %v objects, items %v", sizes, order)
	}
	if got := Chunks(nil, 3); len(got) != 0 {
		t.Errorf("%v of nothing", got)
	}
}

func TestObjectsAreNamedOnce(t *testing.T) {
	got := Objects([]Part{{0, []string{"a", "b"}}, {1, []string{"b"}}, {2, []string{"c", "a"}}})
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("%q", got)
	}
}

// TestSend: those at fault are found, the others arrive, and calls are bounded.
func TestSend(t *testing.T) {
	refused := &cdn.Error{Kind: cdn.ErrRefused, Status: 400}
	down := &cdn.Error{Kind: cdn.ErrUnavailable, Status: 503}
	forbidden := &cdn.Error{Kind: cdn.ErrRefused, Status: 403}
	for name, test := range map[string]struct {
		n     int
		bad   []int
		err   error
		calls int // at the most
	}{
		"all good":       {1000, nil, nil, 1},
		"one bad":        {1000, []int{777}, refused, 21},
		"three bad":      {100, []int{0, 50, 99}, refused, 40},
		"a single one":   {1, []int{0}, refused, 1},
		"down":           {1000, []int{3}, down, 1},
		"forbidden":      {1000, []int{3}, forbidden, 1},
		"all bad at all": {1000, nil, refused, 40},
	} {
		calls := 0
		errs := make([]error, test.n)
		took := map[int]bool{}
		Send(errs, parts(test.n), func(list []Part) error {
			calls++
			for _, p := range list {
				if name == "all bad at all" || slices.Contains(test.bad, p.Item) {
					return test.err
				}
			}
			for _, p := range list {
				took[p.Item] = true
			}
			return nil
		}, func(e *cdn.Error) bool { return e.Status == 400 })
		if calls > test.calls {
			t.Errorf("%s: %d calls", name, calls)
		}
		for i, err := range errs {
			if (err == nil) != took[i] {
				t.Errorf("%s: item %d: %v, taken: %v", name, i, err, took[i])
			}
			if test.err == refused && len(test.bad) > 0 && slices.Contains(test.bad, i) != errors.Is(err, cdn.ErrRefused) {
				t.Errorf("%s: item %d: %v", name, i, err)
			}
		}
	}
}
