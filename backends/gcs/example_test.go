package gcs_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/gcs"
	"example.com/ezdfs/settings"
)

// A body is stored in two steps and read back. The bucket must exist.
func Example() {
	ctx := context.Background()
	b, err := gcs.New(ctx, settings.GCS{Name: "gcs:media", Bucket: "media", CredentialsFile: "key.json"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	const path = "var/site/storage/images/a.png"
	staged, err := b.Stage(ctx, path, strings.NewReader("PNG"), backends.Attributes{Size: 3, ContentType: "image/png"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer staged.Discard(ctx)
	if err := staged.Publish(ctx); err != nil {
		fmt.Println(err)
		return
	}

	r, err := b.Open(ctx, path, 0, -1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	fmt.Println(len(body), r.Info().ContentType, err)
}

func ExampleBackend_SignURL() {
	ctx := context.Background()
	b, err := gcs.New(ctx, settings.GCS{Bucket: "media", CredentialsFile: "key.json"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	address, err := b.SignURL(ctx, "var/site/storage/original/report.pdf", 15*time.Minute)
	fmt.Println(address, err)
}
