package nfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
)

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

func writeFile(tb testing.TB, path, body string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(body), 0o666); err != nil {
		tb.Fatal(err)
	}
}

func makeDir(tb testing.TB, path string) {
	tb.Helper()
	if err := os.MkdirAll(path, 0o777); err != nil {
		tb.Fatal(err)
	}
}

func stageBody(tb testing.TB, b *Backend, path, body string) backends.Staged {
	tb.Helper()
	staged, err := b.Stage(tb.Context(), path, strings.NewReader(body), backends.Attributes{Size: int64(len(body))})
	if err != nil {
		tb.Fatal(err)
	}
	return staged
}

func wantMissing(tb testing.TB, b *Backend, path string) {
	tb.Helper()
	if _, err := b.Stat(tb.Context(), path); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, backends.ErrUnavailable) {
		tb.Errorf("Stat(%q): %v, want fs.ErrNotExist", path, err)
	}
}

func wantContents(tb testing.TB, b *Backend, path, body string) {
	tb.Helper()
	got, err := os.ReadFile(filepath.Join(b.path, path))
	if err != nil || string(got) != body {
		tb.Errorf("%q holds %.60q, %v, want %.60q", path, got, err, body)
	}
}

func listPaths(tb testing.TB, b *Backend, prefix string) []string {
	tb.Helper()
	var paths []string
	for info, err := range b.List(tb.Context(), prefix, "") {
		if err != nil {
			tb.Fatal(err)
		}
		paths = append(paths, info.Path)
	}
	return paths
}

func listError(tb testing.TB, b *Backend) (last error) {
	tb.Helper()
	for _, err := range b.List(tb.Context(), "", "") {
		last = err
	}
	return last
}

// regularFiles returns the files below root, relative to it, in order.
func regularFiles(tb testing.TB, root string) []string {
	tb.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			path, err = filepath.Rel(root, path)
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files
}
