package backends_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"strings"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
)

func Example() {
	var b backends.Backend = backendtest.NewMemory("memory")
	ctx := context.Background()

	staged, err := b.Stage(ctx, "var/site/a.txt", strings.NewReader("hello"), backends.Attributes{Size: -1})
	if err != nil {
		log.Fatal(err)
	}
	defer staged.Discard(ctx) // does nothing once published
	_, err = b.Stat(ctx, "var/site/a.txt")
	fmt.Println("before Publish, not there:", errors.Is(err, fs.ErrNotExist))

	if err := staged.Publish(ctx); err != nil {
		log.Fatal(err)
	}
	for info, err := range b.List(ctx, "var/", "") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(info.Path, info.Size)
	}
	// Output:
	// before Publish, not there: true
	// var/site/a.txt 5
}
