package ezdb_test

import (
	"context"
	"fmt"
	"io"

	"example.com/ezdfs/bulk/ezdb"
)

// printAll prints every file that exists with the length of what its chunks
// hold.
func printAll(ctx context.Context) error {
	source, err := ezdb.Open(ctx, ezdb.Config{DSN: "reader:secret@tcp(old.example.com:3306)/ezcluster"})
	if err != nil {
		return err
	}
	defer source.Close()
	for file, err := range source.Files(ctx, "var/site/storage/", "") {
		if err != nil {
			return err
		}
		if !file.Live() {
			continue
		}
		body, err := source.OpenFile(ctx, file)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, body)
		body.Close()
		fmt.Println(file.Name, n, err)
	}
	return nil
}

func ExampleSource() {
	_ = printAll // needs a database
}
