package replicate

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/cdntest"
)

// On every store a file is copied with what belongs to it, replaced, left
// alone when it is the same, and deleted.
func TestStores(t *testing.T) {
	for name, open := range replicas {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, open(t))
			const path = "var/s/storage/images/a b+%ü.png"
			large := strings.Repeat("large body ", 600_000) // more than one part or chunk
			for i, body := range []string{"first", "second", "", large, "2nd"} {
				f.store(t, path, body, modTime.Add(time.Duration(i)*time.Second))
				if err := f.deliver(t, push(path)); err != nil {
					t.Fatal(err)
				}
				if got := f.content(t, path); got != body {
					t.Errorf("%d bytes, want %d", len(got), len(body))
				}
			}
			info, err := f.to.Stat(t.Context(), path)
			if err != nil || !info.ModTime.Equal(modTime.Add(4*time.Second)) || info.ContentType != "" && info.ContentType != "image/png" {
				t.Errorf("%+v %v", info, err)
			}
			before := f.to.stages.Load()
			if err := f.deliver(t, push(path)); err != nil || f.to.stages.Load() != before {
				t.Errorf("copied what is the same: %v", err)
			}
			f.expire(path)
			if err := f.deliver(t, invalidate(path)); err != nil {
				t.Error(err)
			}
			if _, err := f.to.Stat(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after the deletion: %v", err)
			}
			if said, err := f.Test(t.Context()); err != nil || !strings.Contains(said, f.to.Name()) {
				t.Errorf("%q %v", said, err)
			}
			for info, err := range f.to.List(t.Context(), "", "") {
				t.Errorf("left behind: %v %v", info.Path, err)
			}
		})
	}
}

// A batch of as many paths as one takes, half of them gone, and names that
// stores have trouble with.
func TestBatches(t *testing.T) {
	for name, open := range replicas {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, open(t))
			var batch []cdn.Item
			for i := range f.Limits().Items / 10 {
				path := strings.Repeat("d/", i%5) + "f" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
				f.store(t, "var/"+path, "body of "+path, modTime)
				batch = append(batch, push("var/"+path))
			}
			if err := errors.Join(f.Deliver(t.Context(), batch)...); err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(batch); i += 2 {
				f.expire(batch[i].Subject)
			}
			if err := errors.Join(f.Deliver(t.Context(), batch)...); err != nil || f.to.deletes.Load() != 1 {
				t.Fatalf("%d deletions: %v", f.to.deletes.Load(), err)
			}
			for i, item := range batch {
				want := "body of " + strings.TrimPrefix(item.Subject, "var/")
				if i%2 == 0 {
					want = ""
				}
				if got := f.content(t, item.Subject); got != want {
					t.Errorf("%s: %q, want %q", item.Subject, got, want)
				}
			}
		})
	}
}

// Odd names are copied under the same name, or refused where no store can
// have them, and stand in nobody's way.
func TestOddPaths(t *testing.T) {
	for name, open := range replicas {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, open(t))
			for _, path := range append(cdntest.OddPaths(), "../x", "/x", "", "var/ezfile-tmp.x") {
				if !backends.ValidPath(path) {
					if err := f.deliver(t, push(path)); !errors.Is(err, cdn.ErrRefused) {
						t.Errorf("%q: %v", path, err)
					}
					continue
				}
				f.store(t, path, "body", modTime)
				err := f.deliver(t, push(path))
				if got := f.content(t, path); err == nil && got != "body" {
					t.Errorf("%q: %q", path, got)
				}
				// A file system has no names of more than 255 bytes, the emulator and XML none with line breaks.
				if long := strings.Contains(path, "nnnnnn") || strings.Contains(path, "üüü"); err != nil && !long && !strings.ContainsAny(path, "\r\n") {
					t.Errorf("%q: %v", path, err)
				}
			}
		})
	}
}
