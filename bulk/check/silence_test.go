package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// mortal is a backend that falls silent after it has answered so many requests
// about paths, and may come back.
type mortal struct {
	backends.Backend
	left  *atomic.Int64
	asked *atomic.Int64 // while it is silent
}

func (m mortal) gone(op, path string) error {
	if m.left.Add(-1) >= 0 {
		return nil
	}
	m.asked.Add(1)
	return &backends.Error{Backend: m.Name(), Op: op, Path: path, Kind: backends.ErrUnavailable, Retry: true}
}

func (m mortal) Ping(ctx context.Context) error {
	if m.left.Load() <= 0 {
		m.asked.Add(1)
		return &backends.Error{Backend: m.Name(), Op: "ping", Kind: backends.ErrUnavailable}
	}
	return m.Backend.Ping(ctx)
}

func (m mortal) Stat(ctx context.Context, path string) (backends.Info, error) {
	if err := m.gone("stat", path); err != nil {
		return backends.Info{}, err
	}
	return m.Backend.Stat(ctx, path)
}

func (m mortal) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	if err := m.gone("open", path); err != nil {
		return nil, err
	}
	return m.Backend.Open(ctx, path, offset, length)
}

// newMortal makes a cluster one of whose trees, of the paths below onS3, is
// mortal, and damages both.
func newMortal(t *testing.T, paths int) (*fixture, mortal) {
	s := newSettings(t, "sqlite", false)
	s.Dispatch.PathBackends = []settings.Rule{{Prefix: onS3, Backend: past}}
	m := mortal{left: new(atomic.Int64), asked: new(atomic.Int64)}
	m.left.Store(1 << 40)
	f := openFixture(t, s, cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend {
		if b.Name() == past {
			m.Backend = b
			return m
		}
		return b
	}))
	list, rows := bodies{}, []metadata.Row(nil)
	for i := range paths {
		for _, prefix := range []string{onNFS, onS3} {
			rows = append(rows, f.row(fmt.Sprintf("%ssound%d", prefix, i), 5), f.row(fmt.Sprintf("%smissing%d", prefix, i), 5), f.row(fmt.Sprintf("%ssize%d", prefix, i), 6))
			for _, name := range []string{"sound", "size", "orphan"} {
				list[[2]string{f.home(prefix), fmt.Sprintf("%s%s%d", prefix, name, i)}] = 5
			}
		}
	}
	f.putRows(rows...)
	f.putBodies(list)
	return f, m
}

// TestStoreFallsSilent lets a store fall silent at any moment of a check: that
// is told once, what it has is left out and counted, not taken for missing, not
// mended, and hardly asked for; the other store is checked to its end.
func TestStoreFallsSilent(t *testing.T) {
	const paths = 20
	for _, contents := range []bool{false, true} {
		for _, after := range []int64{0, 1, 20} {
			if contents && after < 20 {
				continue
			}
			f, m := newMortal(t, paths)
			m.left.Store(after)
			found, summary := f.check(Options{Now: later, Contents: contents, Repair: true, Delete: true})
			if summary.Unchecked != 1 || len(summary.Failures) != 1 || summary.Failures[0].What != past || summary.Clean() {
				t.Fatalf("contents %v, after %d: %d not checked: %+v", contents, after, summary.Unchecked, summary.Failures)
			}
			if asked := m.asked.Load(); asked > 80 { // by those who were at it together
				t.Errorf("contents %v, after %d: asked %d times while it was silent", contents, after, asked)
			}
			told := map[string]int{}
			for _, x := range found {
				if strings.HasPrefix(x.Name, onS3) {
					told[onS3]++
				} else {
					told[string(x.Kind)]++
				}
				if x.Kind == MissingBody && !strings.Contains(x.Name, "missing") {
					t.Errorf("contents %v, after %d: %+v", contents, after, x)
				}
			}
			if told["missing-body"] != paths || told["wrong-size"] != paths || told["orphan-body"] != paths {
				t.Errorf("contents %v, after %d: told %v", contents, after, told)
			}
			// Of each path something is found, or it is left out.
			if left := int64(3*paths - told[onS3]); !contents && summary.Skipped != left {
				t.Errorf("after %d: %d left out, want %d", after, summary.Skipped, left)
			}
			m.left.Store(1 << 40)
			for row, err := range f.Metadata().Rows(t.Context(), metadata.Filter{Prefix: onS3}) {
				if err != nil || !row.Live() && !mended(found, row.Name) {
					t.Errorf("contents %v, after %d: %+v, %v", contents, after, row, err)
				}
			}
		}
	}
}

func mended(found []Finding, name string) bool {
	return slices.ContainsFunc(found, func(x Finding) bool { return x.Name == name && x.Action != "" })
}

// TestStoreComesBack asks a silent store again after a while, and goes on with
// it.
func TestStoreComesBack(t *testing.T) {
	f, m := newMortal(t, 1)
	now := time.Now()
	r := newRun(f.Cluster, Options{Stores: f.stores, Now: func() time.Time { return now }, TempDir: t.TempDir()})
	s := r.stores[slices.IndexFunc(r.stores, func(s *store) bool { return s.Name == past })]
	blip := &backends.Error{Backend: past, Op: "stat", Kind: backends.ErrUnavailable}
	if r.silent(t.Context(), blip) || !r.answers(t.Context(), s) {
		t.Error("silent, although it answers a ping")
	}
	m.left.Store(0)
	for range 2 {
		if !r.silent(t.Context(), fmt.Errorf("looking: %w", blip)) || r.answers(t.Context(), s) {
			t.Error("not silent")
		}
	}
	if _, err := r.asked(t.Context(), onS3+"sound0"); err != errLeftOut {
		t.Errorf("a path of the silent store: %v", err)
	}
	if asked, err := r.asked(t.Context(), onNFS+"sound0"); err != nil || len(asked) != 1 {
		t.Errorf("a path of the other store: %v, %v", asked, err)
	}
	m.left.Store(1 << 40)
	if r.answers(t.Context(), s) {
		t.Error("asked again at once")
	}
	now = now.Add(askAgain)
	if asked, err := r.asked(t.Context(), onS3+"sound0"); err != nil || len(asked) != 2 {
		t.Errorf("after a while: %v, %v", asked, err)
	}
	if r.summary.Unchecked != 1 || len(r.summary.Notes) != 1 || !strings.HasPrefix(r.summary.Notes[0], past+" answers again") {
		t.Errorf("%+v", r.summary)
	}
	other := &backends.Error{Backend: past, Op: "stat", Kind: backends.ErrChanged}
	if r.silent(t.Context(), other) || r.silent(t.Context(), &backends.Error{Backend: "unknown", Kind: backends.ErrUnavailable}) {
		t.Error("silent by the error of another kind or store")
	}
}
