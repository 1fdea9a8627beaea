package replicate_test

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/replicate"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// table stands for a metadata.Store.
type table map[string]metadata.Row

func (t table) Get(_ context.Context, path string) (metadata.Row, error) {
	row, ok := t[path]
	if !ok {
		return row, fs.ErrNotExist
	}
	return row, nil
}

// The replica gets what is live, and loses what is not.
func ExampleTarget() {
	ctx := context.Background()
	source, replica := backendtest.NewMemory("nfs"), backendtest.NewMemory("s3:origin")
	staged, _ := source.Stage(ctx, "var/a.txt", strings.NewReader("hello"), backends.Attributes{Size: 5})
	staged.Publish(ctx)
	rows := table{"var/a.txt": {Name: "var/a.txt", Size: 5, MTime: 1_700_000_000}}

	target, err := replicate.New(settings.Replicate{Name: "replicate:origin"}, replicate.Source{Rows: rows, Bodies: source}, replica)
	if err != nil {
		panic(err)
	}
	defer target.Close()
	item := cdn.Item{Action: cdn.Push, Extent: cdn.Path, Subject: "var/a.txt"}
	fmt.Println(target.Deliver(ctx, []cdn.Item{item})[0])
	body, _ := replica.Open(ctx, "var/a.txt", 0, -1)
	data, _ := io.ReadAll(body)
	body.Close()
	fmt.Println(string(data))

	delete(rows, "var/a.txt")
	fmt.Println(target.Deliver(ctx, []cdn.Item{item})[0])
	_, err = replica.Stat(ctx, "var/a.txt")
	fmt.Println(err)
	// Output:
	// <nil>
	// hello
	// <nil>
	// s3:origin: stat "var/a.txt": file does not exist
}
