package localcache_test

import (
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"example.com/ezdfs/localcache"
	"example.com/ezdfs/metadata"
)

func Example() {
	dir, err := os.MkdirTemp("", "copies")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c, err := localcache.Open(localcache.Options{Dir: dir, MaxSize: 1 << 30, MemorySize: 32 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	row := metadata.Row{Name: "var/site/cache/a.cache", Size: 5, MTime: 1_700_000_000}
	if _, ok := c.Get(row); !ok {
		begun := time.Now() // before the body is opened
		body := strings.NewReader("hello")
		w := c.Create(row, begun)
		defer w.Discard()
		if _, err := io.Copy(io.MultiWriter(os.Stdout, w), body); err == nil {
			w.Commit() // without a copy the next reader fetches the body again
		}
	}
	if f, ok := c.Get(row); ok {
		defer f.Close()
		fmt.Println(" and", f.Size(), "bytes of", f.ModTime().UTC())
		f.WriteTo(os.Stdout)
	}

	// Output:
	// hello and 5 bytes of 2023-11-14 22:13:20 +0000 UTC
	// hello
}
