package backends_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func put(tb testing.TB, b backends.Backend, path, body string) {
	tb.Helper()
	staged, err := b.Stage(tb.Context(), path, strings.NewReader(body), backends.Attributes{
		Size: int64(len(body)), ModTime: time.Unix(1e9, 0), ContentType: "text/x-test",
	})
	if err == nil {
		err = staged.Publish(tb.Context())
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func TestStageCopyBetweenStores(t *testing.T) {
	from, to := backendtest.NewMemory("from"), backendtest.NewMemory("to")
	put(t, from, "src", "body")
	staged, info, err := backends.StageCopy(t.Context(), from, "src", to, "dst")
	if err != nil || info.Path != "src" || info.Size != 4 || staged.Size() != 4 {
		t.Fatalf("StageCopy = %+v, %v", info, err)
	}
	if _, err := to.Stat(t.Context(), "dst"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy is visible before Publish: %v", err)
	}
	if err := staged.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := to.Stat(t.Context(), "dst")
	if err != nil || got.Size != 4 || got.ModTime.Unix() != 1e9 || got.ContentType != "text/x-test" {
		t.Errorf("Stat of the copy = %+v, %v", got, err)
	}
}

func TestStageCopyFails(t *testing.T) {
	from, to := backendtest.NewMemory("from"), backendtest.NewMemory("to")
	put(t, from, "src", "body")
	for name, test := range map[string]struct {
		src, dst string
		down     *backendtest.Memory
		want     error
	}{
		"missing source": {"missing", "dst", nil, fs.ErrNotExist},
		"invalid target": {"src", "../dst", nil, fs.ErrInvalid},
		"source down":    {"src", "dst", from, backends.ErrUnavailable},
		"target down":    {"src", "dst", to, backends.ErrUnavailable},
	} {
		if test.down != nil {
			test.down.SetDown(true)
		}
		if _, _, err := backends.StageCopy(t.Context(), from, test.src, to, test.dst); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if test.down != nil {
			test.down.SetDown(false)
		}
		if left := to.Staged(); len(left) > 0 {
			t.Errorf("%s: staged bodies left: %q", name, left)
		}
	}
}

// native counts what is left to the store itself.
type native struct {
	*backendtest.Memory
	calls []string
}

func (n *native) StageCopy(ctx context.Context, src, dst string) (backends.Staged, backends.Info, error) {
	n.calls = append(n.calls, "copy "+src+" "+dst)
	return backends.StageCopy(ctx, n.Memory, src, n.Memory, dst)
}

func (n *native) Rename(ctx context.Context, src, dst string) error {
	n.calls = append(n.calls, "rename "+src+" "+dst)
	return backends.Rename(ctx, n.Memory, src, dst)
}

func TestNativeCopyAndRename(t *testing.T) {
	a, b := &native{Memory: backendtest.NewMemory("a")}, &native{Memory: backendtest.NewMemory("b")}
	put(t, a, "x", "body")
	for _, err := range []error{
		backends.Copy(t.Context(), a, "x", "y"),
		backends.Rename(t.Context(), a, "y", "z"),
		backends.Rename(t.Context(), a, "z", "z"), // nothing to do
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	staged, _, err := backends.StageCopy(t.Context(), a, "x", b, "x") // another store
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Discard(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"copy x y", "rename y z"}; !slices.Equal(a.calls, want) || len(b.calls) > 0 {
		t.Errorf("native calls %q and %q, want %q and none", a.calls, b.calls, want)
	}
}

func TestRenameByCopy(t *testing.T) {
	m := backendtest.NewMemory("m")
	put(t, m, "a", "body")
	put(t, m, "b", "old")
	if err := backends.Rename(t.Context(), m, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if info, err := m.Stat(t.Context(), "b"); err != nil || info.Size != 4 {
		t.Errorf("target: %+v, %v", info, err)
	}
	for _, err := range []error{
		backends.Rename(t.Context(), m, "a", "c"),
		backends.Rename(t.Context(), m, "a", "a"),
	} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Rename of what is gone: %v, want fs.ErrNotExist", err)
		}
	}
}
