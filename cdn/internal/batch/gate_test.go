package batch

import (
	"testing"

	"example.com/ezdfs/cdn"
)

func TestGate(t *testing.T) {
	silent := &cdn.Error{Kind: cdn.ErrUnavailable}
	busy := &cdn.Error{Kind: cdn.ErrUnavailable, Status: 503}
	throttled := &cdn.Error{Kind: cdn.ErrThrottled, Status: 429}
	refused := &cdn.Error{Kind: cdn.ErrRefused, Status: 400}
	for name, test := range map[string]struct {
		answers []error // of calls that are made
		made    int     // of ten
	}{
		"all good":          {nil, 10},
		"one is silent":     {[]error{nil, silent}, 10},
		"two are silent":    {[]error{silent, silent, nil}, 10},
		"silent throughout": {[]error{silent, nil, silent, silent}, 4},
		"throttled":         {[]error{nil, throttled}, 2},
		"others":            {[]error{refused, busy, refused, busy, refused, busy}, 10},
	} {
		var g Gate
		made := 0
		for range 10 {
			before := made
			err := g.Do(func() error {
				made++
				if made <= len(test.answers) {
					return test.answers[made-1]
				}
				return nil
			})
			if before == made && err != test.answers[made-1] {
				t.Errorf("%s: a call that was not made: %v", name, err)
			}
		}
		if made != test.made {
			t.Errorf("%s: %d calls, want %d", name, made, test.made)
		}
	}
}
