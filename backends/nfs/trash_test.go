package nfs

import (
	"testing"

	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/settings"
)

func TestTrash(t *testing.T) {
	all := newTree(t)
	hiding, err := New(settings.NFS{Name: "nfs", MountPointPath: all.path, Trash: "/var-trash/bodies/"})
	if err != nil {
		t.Fatal(err)
	}
	defer hiding.Close()
	backendtest.RunTrash(t, hiding, all)
}
