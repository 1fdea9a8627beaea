package nfs

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// TestSmallMount uses a real filesystem of 1 MB that is mounted, unmounted and
// mounted again.
func TestSmallMount(t *testing.T) {
	mount := t.TempDir()
	mountSmall(t, mount)
	b := openTree(t, mount)
	wantMissing(t, b, "var/a") // empty, but a mount point

	_, err := b.Stage(t.Context(), "var/new/large", bytes.NewReader(make([]byte, 2<<20)), backends.Attributes{Size: -1})
	if !errors.Is(err, backends.ErrNoSpace) || backends.IsRetryable(err) {
		t.Errorf("Stage on a full disk: %v, want ErrNoSpace", err)
	}
	if left := temporaryFiles(t, mount); len(left) > 0 {
		t.Errorf("left on the full disk: %q", left)
	}
	put(t, b, "var/a", "there is room for this")

	if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stat(t.Context(), "var/a"); !errors.Is(err, backends.ErrUnavailable) {
		t.Errorf("Stat on an unmounted share: %v, want ErrUnavailable", err)
	}
	if _, err := b.Stage(t.Context(), "var/b", strings.NewReader("x"), backends.Attributes{Size: -1}); !errors.Is(err, backends.ErrUnavailable) {
		t.Errorf("Stage on an unmounted share: %v, want ErrUnavailable", err)
	}
	mountSmall(t, mount)
	put(t, b, "var/b", "mounted again")
	if got := regularFiles(t, mount); !slices.Equal(got, []string{"var/b"}) {
		t.Errorf("the new mount holds %q", got)
	}
}

func mountSmall(t *testing.T, mount string) {
	t.Helper()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("this user may not mount a filesystem: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
}

func TestNewRefusesReadOnlyMount(t *testing.T) {
	mount := t.TempDir()
	mountSmall(t, mount)
	if err := unix.Mount("", mount, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	b, err := New(settings.NFS{Name: "nfs", MountPointPath: mount})
	if err == nil {
		b.Close()
	}
	if !errors.Is(err, backends.ErrUnavailable) || !strings.Contains(err.Error(), "not writable") {
		t.Errorf("New on a read-only mount: %v", err)
	}
}
