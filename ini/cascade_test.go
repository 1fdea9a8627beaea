package ini

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSourceErrors(t *testing.T) {
	dir := t.TempDir()
	settings := filepath.Join(dir, "settings")
	if err := os.MkdirAll(filepath.Join(settings, "siteaccess", "eng"), 0o777); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "plain")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		src  Source
		file string
		want string // part of the error
	}{
		{"no directory", Source{Dir: filepath.Join(dir, "none")}, "file.ini", "none\": file does not exist"},
		{"empty directory name", Source{}, "file.ini", "settings directory \"\": file does not exist"},
		{"a file for a directory", Source{Dir: file}, "file.ini", "is not a directory"},
		{"unknown siteaccess", Source{Dir: settings, SiteAccess: "ger"}, "file.ini", `siteaccess "ger" does not exist`},
		{"siteaccess elsewhere", Source{Dir: settings, SiteAccess: "../siteaccess/eng"}, "file.ini", "not a plain name"},
		{"unknown extension", Source{Dir: settings, Extensions: []string{"x"}}, "file.ini", "does not exist"},
		{"extension elsewhere", Source{Dir: settings, Extensions: []string{".."}}, "file.ini", "not a plain name"},
		{"file elsewhere", Source{Dir: settings}, "../settings/file.ini", "not a plain name"},
		{"no file name", Source{Dir: settings}, "", "not a plain name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := Load(test.src, test.file)
			if doc != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, %v; want an error with %q", doc, err, test.want)
			}
		})
	}
}

func TestMissingDirectoryIsNotExist(t *testing.T) {
	_, err := Load(Source{Dir: filepath.Join(t.TempDir(), "none")}, "file.ini")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

// TestUnreadableFile takes a directory for the file that cannot be read: that
// works for every user, root included.
func TestUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "override", "file.ini")
	if err := os.MkdirAll(bad, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file.ini"), []byte("[G]\nKey=1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	doc, err := Load(Source{Dir: dir}, "file.ini")
	var path *fs.PathError
	if !errors.As(err, &path) || path.Path != bad {
		t.Errorf("%v does not name %s", err, bad)
	}
	if v, _ := doc.Value("G", "Key"); v != "1" {
		t.Errorf("the base file's Key is %q", v)
	}
	if _, err := ParseFile(bad); !errors.As(err, &path) || path.Path != bad {
		t.Errorf("ParseFile: %v does not name %s", err, bad)
	}
}

func TestParseFileNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.ini")
	if err := os.WriteFile(path, []byte("[G]\nKey=1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	doc, err := ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if origin, _ := doc.Origin("G", "Key"); origin.String() != path+":2" {
		t.Errorf("origin %s, want %s:2", origin, path)
	}
}
