package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
)

// TestTransfer copies and moves across all nine pairs of stores.
func TestTransfer(t *testing.T) {
	mtime := time.Unix(1_400_000_000, 0)
	body := string(noise(3, 6<<20))
	eachCluster(t, func(t *testing.T, c *Cluster) {
		for _, from := range []string{onNFS, onS3, onGCS} {
			for _, to := range []string{onNFS, onS3, onGCS} {
				src, copied, moved := from+"src ü+%.png", to+"copied +%.png", to+"moved #?.png"
				_, err := c.Store(t.Context(), src, strings.NewReader(body), StoreOptions{Scope: "image", DataType: "image/png", ModTime: mtime})
				if err != nil {
					t.Fatal(err)
				}
				c.mustStore(t, copied, "replaced")
				want := metadata.Row{Scope: "image", DataType: "image/png", Size: int64(len(body)), MTime: mtime.Unix(), Table: "ezdfsfile"}

				if _, err := c.Copy(t.Context(), src, copied); err != nil {
					t.Errorf("copy %s to %s: %v", from, to, err)
				}
				assertFile(t, c, src, body, want)
				assertFile(t, c, copied, body, want)
				if _, err := c.Move(t.Context(), src, moved); err != nil {
					t.Errorf("move %s to %s: %v", from, to, err)
				}
				assertFile(t, c, moved, body, want)
				assertGone(t, c, src)
			}
		}
		assertNothingStaged(t, c)
	})
}

func assertFile(t *testing.T, c *Cluster, path, body string, want metadata.Row) {
	t.Helper()
	if got := c.contents(t, path); got != body {
		t.Errorf("%s reads %d other bytes", path, len(got))
	}
	want.Name, want.Trunk = path, path
	if row, err := c.Stat(t.Context(), path); err != nil || row != want {
		t.Errorf("%s has the row\n%+v, %v, want\n%+v", path, row, err, want)
	}
}

// assertGone: neither row nor body.
func assertGone(t *testing.T, c *Cluster, path string) {
	t.Helper()
	if row, err := c.Stat(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s has the row %+v, %v", path, row, err)
	}
	if got := c.body(t, path); got != "<none>" {
		t.Errorf("%s has a body of %d bytes", path, len(got))
	}
}

func TestTransferToTheOtherTable(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/site/cache/a", "body")
	if _, err := c.Move(t.Context(), "var/site/cache/a", "var/site/storage/a"); err != nil {
		t.Fatal(err)
	}
	row, err := c.Stat(t.Context(), "var/site/storage/a")
	if err != nil || row.Table != "ezdfsfile" {
		t.Errorf("row %+v, %v", row, err)
	}
	assertGone(t, c, "var/site/cache/a")
}

func TestTransferOfNothing(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/expired", "body")
	c.mustStore(t, "var/dst", "dst")
	if _, err := c.Expire(t.Context(), "var/expired"); err != nil {
		t.Fatal(err)
	}
	for name, transfer := range map[string]func(src, dst string) error{
		"copy": func(src, dst string) error { _, err := c.Copy(t.Context(), src, dst); return err },
		"move": func(src, dst string) error { _, err := c.Move(t.Context(), src, dst); return err },
	} {
		for src, want := range map[string]error{"var/none": fs.ErrNotExist, "var/expired": fs.ErrNotExist, "../x": fs.ErrInvalid, "": fs.ErrInvalid} {
			if err := transfer(src, "var/dst"); !errors.Is(err, want) {
				t.Errorf("%s of %q: %v", name, src, err)
			}
		}
		if err := transfer("var/dst", "var/../x"); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s to ..: %v", name, err)
		}
		if err := transfer("var/dst", "var//dst"); err != nil {
			t.Errorf("%s to itself: %v", name, err)
		}
		if got := c.contents(t, "var/dst"); got != "dst" {
			t.Errorf("after %s dst reads %q", name, got)
		}
	}
}

// TestTransferOfAChangingSource: a writer that comes between the staging and
// the locks makes the copy start over, even when it leaves the row as it was.
func TestTransferOfAChangingSource(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			src, dst := prefix+"src", prefix+"dst"
			mtime := time.Unix(1_400_000_000, 0)
			store := func(body string) {
				if _, err := c.Store(t.Context(), src, strings.NewReader(body), StoreOptions{ModTime: mtime, DataType: "x/y"}); err != nil {
					t.Error(err)
				}
			}
			store("first body")
			writes := 0
			c.step = func(s step) {
				if s == stepStaged && writes == 0 {
					writes++
					c.step = func(step) {}
					store("other body") // as long, in the same second
				}
			}
			if _, err := c.Copy(t.Context(), src, dst); err != nil {
				t.Fatal(err)
			}
			if got := c.contents(t, dst); writes != 1 || got != "other body" {
				t.Errorf("%s: the copy is %q", prefix, got)
			}
		}
	})
}

// TestTransferOfALaggingRow: a source whose row lags its body is mended first.
func TestTransferOfALaggingRow(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/src", "old")
	c.writeBody(t, "var/src", "a newer body")
	if _, err := c.Copy(t.Context(), "var/src", "var/dst"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"var/src", "var/dst"} {
		row, err := c.Stat(t.Context(), path)
		if got := c.contents(t, path); err != nil || got != "a newer body" || row.Size != int64(len(got)) {
			t.Errorf("%s reads %q, row %+v, %v", path, got, row, err)
		}
	}
}

// TestTransfersInACircle: moves that lock the same rows in opposite orders all
// come to an end, and no body is lost or doubled.
func TestTransfersInACircle(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		c.retries = 50
		paths := []string{onNFS + "x", onS3 + "x", onGCS + "x"}
		for i, path := range paths {
			c.mustStore(t, path, fmt.Sprint("body ", i))
		}
		done := make(chan error)
		for i := range paths {
			go func() {
				var err error
				for range 5 {
					_, copyErr := c.Copy(t.Context(), paths[i], paths[(i+1)%len(paths)])
					err = errors.Join(err, copyErr)
				}
				done <- err
			}()
		}
		for range paths {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		for _, path := range paths {
			if got := c.contents(t, path); !strings.HasPrefix(got, "body ") || len(got) != len("body 0") {
				t.Errorf("%s reads %q", path, got)
			}
		}
	})
}

// A live file whose body was lost is damaged, not absent.
func TestTransferOfALostBody(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/a", "body")
	if err := c.stores.Delete(t.Context(), []string{"var/a"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Copy(t.Context(), "var/a", "var/b")
	var missing *BodyMissingError
	if !errors.As(err, &missing) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want a BodyMissingError", err)
	}
}
