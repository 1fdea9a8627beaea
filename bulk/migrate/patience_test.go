package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/metadata"
)

var (
	storeAway    = &backends.Error{Backend: "s3", Op: "publish", Path: "a", Kind: backends.ErrUnavailable, Retry: true}
	databaseAway = &metadata.Error{Op: "lock", Kind: metadata.ErrUnavailable, Retry: true}
	forbidden    = &backends.Error{Backend: "s3", Op: "publish", Path: "a", Kind: fs.ErrPermission}
)

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &Migration{options: Options{}.withDefaults()}
		start := time.Now()
		err := m.persist(t.Context(), func(context.Context) error { return databaseAway })
		if waited := time.Since(start); !errors.Is(err, metadata.ErrUnavailable) || !strings.Contains(err.Error(), "for 15m") || waited > 16*time.Minute {
			t.Errorf("%v after %v", err, waited)
		}
		tries := 0
		err = m.persist(t.Context(), func(context.Context) error {
			if tries++; tries < 50 {
				return fmt.Errorf("wrapped: %w", storeAway)
			}
			return nil
		})
		if err != nil || tries != 50 {
			t.Errorf("a store that came back: %v after %d", err, tries)
		}
		tries = 0
		if err := m.persist(t.Context(), func(context.Context) error { tries++; return forbidden }); !errors.Is(err, fs.ErrPermission) || tries != 1 {
			t.Errorf("what does not pass: %v after %d", err, tries)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.persist(ctx, func(context.Context) error { return storeAway }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("interrupted: %v", err)
		}
	})
}

// TestWhoseErrorItIs: one file that no store takes fails alone, while whatever
// everybody meets is waited for.
func TestWhoseErrorItIs(t *testing.T) {
	to := backendtest.NewMemory("s3")
	m := &Migration{from: backendtest.NewMemory("nfs"), to: to}
	for name, test := range map[string]struct {
		err    error
		down   bool
		failed bool // after many attempts
		atOnce bool
	}{
		"not allowed":           {forbidden, false, true, true},
		"busy store":            {storeAway, false, true, false},
		"store that is down":    {storeAway, true, false, false},
		"database that is down": {databaseAway, false, false, false},
		"no space":              {&backends.Error{Kind: backends.ErrNoSpace}, false, false, false},
		"changed all the time":  {changed("a", nil), false, true, false},
	} {
		to.SetDown(test.down)
		f := new(file)
		err := m.judge(t.Context(), f, test.err)
		if (f.outcome == failed) != test.atOnce || (err == nil) != test.atOnce {
			t.Errorf("%s at first: %v, %v", name, f.outcome, err)
		}
		for range maxTries {
			err = m.judge(t.Context(), f, test.err)
		}
		if (f.outcome == failed) != test.failed || (err == nil) != test.failed {
			t.Errorf("%s in the end: %v, %v", name, f.outcome, err)
		}
	}
	to.SetDown(false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f := new(file); m.judge(ctx, f, forbidden) == nil || f.outcome == failed {
		t.Error("a file failed because of an interruption")
	}
}
