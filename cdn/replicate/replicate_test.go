package replicate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/settings"
)

// Whatever the item says, the path becomes what the source says.
func TestReconciles(t *testing.T) {
	for _, action := range []cdn.Action{cdn.Push, cdn.Invalidate} {
		for _, test := range []struct {
			name   string
			source func(f *fixture)
			want   string
		}{
			{"live", func(f *fixture) { f.store(t, "a", "new", modTime) }, "new"},
			{"expired", func(f *fixture) { f.store(t, "a", "new", modTime); f.expire("a") }, ""},
			{"gone", func(*fixture) {}, ""},
		} {
			for _, before := range []string{"", "old"} {
				f := memory(t)
				if before != "" {
					publish(t, f.to, "a", before, modTime.Add(-time.Hour))
				}
				test.source(f)
				item := push("a")
				item.Action = action
				for range 2 {
					if err := f.deliver(t, item); err != nil || f.content(t, "a") != test.want {
						t.Errorf("%s %s over %q: %q %v", action, test.name, before, f.content(t, "a"), err)
					}
				}
			}
		}
	}
}

// A copy that looks the same is made again where the source's body may be
// younger than it.
func TestSameLooks(t *testing.T) {
	f := memory(t)
	f.settled = clocks
	f.store(t, "a", "one", modTime)
	f.deliver(t, push("a"))
	f.store(t, "a", "two", modTime) // in the same second, of the same size
	if err := f.deliver(t, push("a")); err != nil || f.content(t, "a") != "two" {
		t.Errorf("%q %v", f.content(t, "a"), err)
	}
	now := time.Now()
	row, _, _ := f.row(t.Context(), "a")
	body := backends.Info{Size: 3, Stored: now}
	for name, test := range map[string]struct {
		have backends.Info
		want bool
	}{
		"younger":        {backends.Info{Size: 3, ModTime: modTime, Stored: now.Add(time.Minute), ContentType: "image/png"}, true},
		"no type kept":   {backends.Info{Size: 3, ModTime: modTime, Stored: now.Add(time.Minute)}, true},
		"as young":       {backends.Info{Size: 3, ModTime: modTime, Stored: now, ContentType: "image/png"}, false},
		"another size":   {backends.Info{Size: 4, ModTime: modTime, Stored: now.Add(time.Minute)}, false},
		"another second": {backends.Info{Size: 3, ModTime: modTime.Add(time.Second), Stored: now.Add(time.Minute)}, false},
		"another type":   {backends.Info{Size: 3, ModTime: modTime, Stored: now.Add(time.Minute), ContentType: "text/css"}, false},
	} {
		if got := f.same(row, body, test.have); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// at makes something happen once, at a step of the delivery.
func (f *fixture) at(step string, do func()) {
	var once sync.Once
	f.step = func(now string) {
		if now == step {
			once.Do(do)
		}
	}
}

// What changes between any two steps is what the replica has in the end.
func TestChangesMeanwhile(t *testing.T) {
	for _, step := range []string{"stage", "staged", "publish", "published"} {
		for name, change := range map[string]struct {
			do   func(f *fixture)
			want string
		}{
			"replaced":         {func(f *fixture) { f.store(t, "a", "newer", modTime.Add(time.Second)) }, "newer"},
			"in the same look": {func(f *fixture) { f.store(t, "a", "abc", modTime) }, "abc"},
			"older":            {func(f *fixture) { f.store(t, "a", "older", modTime.Add(-time.Hour)) }, "older"},
			"expired":          {func(f *fixture) { f.expire("a") }, ""},
			"deleted": {func(f *fixture) {
				f.expire("a")
				f.source.Delete(context.WithoutCancel(t.Context()), []string{"a"})
			}, ""},
		} {
			f := memory(t)
			f.store(t, "a", "123", modTime)
			f.settled = clocks // the copy is as young as the change
			f.at(step, func() { change.do(f) })
			if err := f.deliver(t, push("a")); err != nil || f.content(t, "a") != change.want {
				t.Errorf("%s at %s: %q %v", name, step, f.content(t, "a"), err)
			}
		}
	}
}

// A body that is no longer the source's is never published.
func TestNeverPublishesWhatIsOld(t *testing.T) {
	f := memory(t)
	f.store(t, "a", "old", modTime)
	var seen []string
	n := 0
	f.step = func(step string) {
		switch step {
		case "staged":
			if n++; n == 1 {
				f.store(t, "a", "new", modTime)
				publish(t, f.to.Backend, "a", "new", modTime) // by another worker
			}
		case "publish", "published":
			seen = append(seen, f.content(t, "a"))
		}
	}
	if err := f.deliver(t, push("a")); err != nil {
		t.Fatal(err)
	}
	for _, body := range seen {
		if body != "new" {
			t.Errorf("the replica had %q", seen)
		}
	}
}

// What becomes live again while its copy is deleted is copied again.
func TestStoredWhileDeleted(t *testing.T) {
	for _, step := range []string{"delete", "deleted"} {
		f := memory(t)
		publish(t, f.to.Backend, "a", "old", modTime)
		f.at(step, func() {
			f.store(t, "a", "back", modTime)
			publish(t, f.to.Backend, "a", "back", modTime)
		})
		if err := f.deliver(t, invalidate("a")); err != nil || f.content(t, "a") != "back" {
			t.Errorf("%s: %q %v", step, f.content(t, "a"), err)
		}
	}
}

// A file that never comes to rest is left to another delivery.
func TestKeepsChanging(t *testing.T) {
	f := memory(t)
	n := 0
	change := func(string) {
		n++
		f.store(t, "a", fmt.Sprint("body ", n), modTime.Add(time.Duration(n)*time.Second))
	}
	change("")
	f.step = change
	if err := f.deliver(t, push("a")); !errors.Is(err, cdn.ErrUnavailable) || !errors.Is(err, errChanging) {
		t.Error(err)
	}
	if len(f.to.Backend.(*backendtest.Memory).Staged()) != 0 {
		t.Error("a staged body is left")
	}
}

// A live row without a body costs the replica nothing.
func TestNoBody(t *testing.T) {
	f := memory(t)
	f.store(t, "a", "body", modTime)
	f.deliver(t, push("a"))
	f.source.Delete(t.Context(), []string{"a"})
	if err := f.deliver(t, invalidate("a")); !errors.Is(err, errNoBody) || !errors.Is(err, cdn.ErrUnavailable) || f.content(t, "a") != "body" {
		t.Errorf("%q %v", f.content(t, "a"), err)
	}
}

// A database or a store that is down says nothing about files: nothing is
// deleted, and everything is tried again.
func TestOutages(t *testing.T) {
	for name, down := range map[string]func(f *fixture){
		"database": func(f *fixture) { f.rows.err = errors.New("gone away") },
		"source":   func(f *fixture) { f.source.SetDown(true) },
		"replica":  func(f *fixture) { f.to.Backend.(*backendtest.Memory).SetDown(true) },
	} {
		f := memory(t)
		f.store(t, "a", "body", modTime)
		publish(t, f.to.Backend, "a", "copy", modTime.Add(-time.Hour))
		down(f)
		for _, item := range []cdn.Item{push("a"), invalidate("a")} {
			err := f.deliver(t, item)
			var e *cdn.Error
			if !errors.As(err, &e) || !errors.Is(err, cdn.ErrUnavailable) || e.Target != "replicate:origin" {
				t.Errorf("%s: %v", name, err)
			}
		}
		f.to.Backend.(*backendtest.Memory).SetDown(false)
		if f.content(t, "a") != "copy" {
			t.Errorf("%s: the replica has %q", name, f.content(t, "a"))
		}
	}
	f := memory(t)
	f.to.Backend.(*backendtest.Memory).SetDown(true)
	if err := f.deliver(t, invalidate("gone")); !errors.Is(err, cdn.ErrUnavailable) {
		t.Errorf("a deletion: %v", err)
	}
	if _, err := f.Test(t.Context()); !errors.Is(err, cdn.ErrUnavailable) {
		t.Errorf("test: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	f := memory(t)
	f.store(t, "a", "body", modTime)
	ctx, cancel := context.WithCancel(t.Context())
	f.at("staged", cancel)
	err := f.Deliver(ctx, []cdn.Item{push("a")})[0]
	if !errors.Is(err, context.Canceled) || !errors.Is(err, cdn.ErrUnavailable) {
		t.Error(err)
	}
	if len(f.to.Backend.(*backendtest.Memory).Staged()) != 0 || f.content(t, "a") != "" {
		t.Error("something is left")
	}
	for _, err := range f.Deliver(ctx, []cdn.Item{push("a"), invalidate("b")}) {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// refusing is a replica that does not let one path in.
type refusing struct{ backends.Backend }

func (r refusing) Stat(ctx context.Context, path string) (backends.Info, error) {
	if path == "forbidden" {
		return backends.Info{}, &backends.Error{Backend: "r", Op: "stat", Path: path, Kind: fs.ErrPermission}
	}
	return r.Backend.Stat(ctx, path)
}

func (r refusing) Delete(ctx context.Context, paths []string) error {
	failed := map[string]error{}
	for _, path := range paths {
		if path == "sticky" {
			failed[path] = &backends.Error{Backend: "r", Op: "delete", Path: path, Kind: fs.ErrPermission}
		}
	}
	return errors.Join(r.Backend.Delete(ctx, paths), &backends.DeleteError{Backend: "r", Failed: failed})
}

// One path that fails does not hold up the others, and a path that comes twice
// is looked at once.
func TestPathsAreApart(t *testing.T) {
	f := newFixture(t, refusing{backendtest.NewMemory("replica")})
	f.store(t, "forbidden", "x", modTime)
	f.store(t, "a", "x", modTime)
	batch := []cdn.Item{push("a"), push("forbidden"), invalidate("sticky"), invalidate("gone"), invalidate("a"),
		{Action: cdn.Invalidate, Extent: cdn.Prefix, Subject: "var/"}, {Action: "dance", Extent: cdn.Path, Subject: "a"}}
	for i, err := range f.Deliver(t.Context(), batch) {
		if want := i == 1 || i == 2 || i == 5 || i == 6; errors.Is(err, cdn.ErrRefused) != want || !want && err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if f.to.stages.Load() != 1 || f.content(t, "a") != "x" {
		t.Errorf("%d copies", f.to.stages.Load())
	}
}

// Many deliveries of the same paths at once, while they change, leave the
// replica equal once the last one is through.
func TestConcurrent(t *testing.T) {
	f := memory(t)
	f.settled = clocks
	var wg sync.WaitGroup
	for n := range 200 {
		path := fmt.Sprint("var/", n%5)
		if f.store(t, path, fmt.Sprint("body ", n), modTime.Add(time.Duration(n)*time.Second)); n%7 == 0 {
			f.expire(path)
		}
		wg.Go(func() { f.deliver(t, push(path)) })
	}
	wg.Wait()
	for n := 195; n < 200; n++ {
		path := fmt.Sprint("var/", n%5)
		err := f.deliver(t, push(path))
		want := content(t, f.source, path)
		if _, live, _ := f.row(t.Context(), path); !live {
			want = ""
		}
		if got := f.content(t, path); got != want || err != nil {
			t.Errorf("%s: %q, want %q: %v", path, got, want, err)
		}
	}
}

func TestNew(t *testing.T) {
	store := backendtest.NewMemory("m")
	for _, test := range []struct {
		from Source
		to   backends.Backend
	}{{Source{&rows{}, store}, nil}, {Source{nil, store}, store}, {Source{&rows{}, nil}, store}} {
		if _, err := New(settings.Replicate{Name: "replicate:a"}, test.from, test.to); err == nil || !strings.HasPrefix(err.Error(), "replicate:a: ") {
			t.Error(err)
		}
	}
}
