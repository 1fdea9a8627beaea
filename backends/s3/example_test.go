package s3_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/s3"
	"example.com/ezdfs/settings"
)

func Example() {
	ctx := context.Background()
	b, err := s3.New(ctx, settings.S3{
		Name: "s3", Bucket: "media", Region: "eu-west-1", // credentials from the environment
		PartSize: 8 << 20, Concurrency: 4,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	staged, err := b.Stage(ctx, "var/site/storage/images/a.png", strings.NewReader("..."), backends.Attributes{
		Size: 3, ContentType: "image/png",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer staged.Discard(ctx)
	if err := staged.Publish(ctx); err != nil {
		log.Fatal(err)
	}
}

func ExampleBackend_PublicURL() {
	b, err := s3.New(context.Background(), settings.S3{
		Bucket: "media", Region: "eu-west-1", PartSize: 8 << 20, Concurrency: 4,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	fmt.Println(b.PublicURL("var/site/storage/images/a + b.png"))
	// Output: https://media.s3.eu-west-1.amazonaws.com/var/site/storage/images/a%20%2B%20b.png
}
