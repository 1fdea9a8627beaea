package nfs_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/nfs"
	"example.com/ezdfs/settings"
)

func Example() {
	mount, err := os.MkdirTemp("", "mount")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(mount)
	b, err := nfs.New(settings.NFS{Name: "nfs", MountPointPath: mount, FileMode: 0o644, DirMode: 0o755})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	ctx := context.Background()
	staged, err := b.Stage(ctx, "var/site/storage/hello.txt", strings.NewReader("hello, cluster"), backends.Attributes{Size: 14})
	if err != nil {
		log.Fatal(err)
	}
	defer staged.Discard(ctx)
	if err := staged.Publish(ctx); err != nil {
		log.Fatal(err)
	}

	r, err := b.Open(ctx, "var/site/storage/hello.txt", 7, -1)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	fmt.Printf("%s of %d bytes, %v\n", body, r.Info().Size, err)
	// Output: cluster of 14 bytes, <nil>
}
