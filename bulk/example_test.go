package bulk_test

import (
	"fmt"
	"os"
	"path/filepath"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/metadata"
)

func ExampleTree() {
	root, err := os.MkdirTemp("", "site")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(root)
	for _, path := range []string{"var/storage/images/a.png", "var/storage/original/audio/a.mp3", "var/cache/x"} {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			fmt.Println(err)
		}
		if err := os.WriteFile(file, nil, 0o666); err != nil {
			fmt.Println(err)
		}
	}
	for item, err := range bulk.Tree(root, []string{"var/storage"}, bulk.TreeOptions{Layout: metadata.Layout{StorageDir: "storage"}}) {
		fmt.Println(item.Path, item.Options.Scope, err)
	}
	// Output:
	// var/storage/images/a.png image <nil>
	// var/storage/original/audio/a.mp3 mediafile <nil>
}
