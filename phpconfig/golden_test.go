package phpconfig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestGolden reads the archives of testdata: their comment names the files that
// are asked for, and their file "want" tells the constants and the warnings.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) < 6 {
		t.Fatalf("found %d archives, %v", len(archives), err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := &archive.Files[len(archive.Files)-1]
			got := golden(t, archive)
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if want.Name != "want" || got != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
			}
		})
	}
}

func golden(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	contents := map[string]string{}
	for _, f := range archive.Files {
		contents[f.Name] = string(f.Data)
	}
	root := site(t, contents)
	var files []string
	for name := range strings.FieldsSeq(string(archive.Comment)) {
		files = append(files, filepath.Join(root, name))
	}
	config, warnings, err := Read(root, files...)
	if err != nil {
		warnings = append(warnings, fmt.Errorf("ERROR %w", err))
	}
	var b strings.Builder
	for _, k := range config.Constants() {
		fmt.Fprintf(&b, "%s = %s %v  ## %s\n", k.Name, typeName(k.Value), k.Value, k.Origin)
	}
	for _, warning := range warnings {
		fmt.Fprintln(&b, warning)
	}
	return strings.ReplaceAll(b.String(), root+"/", "")
}

func TestSecretsAreNotTold(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/secrets.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if told := golden(t, archive); strings.Contains(told, "hun") || strings.Count(told, "\n") < 15 {
		t.Error(told)
	}
}

// TestVariants holds a file to the same constants however it was saved.
func TestVariants(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/installed.txtar")
	if err != nil {
		t.Fatal(err)
	}
	php := string(archive.Files[0].Data)
	want, warnings, err := read(t, php)
	if err != nil || len(warnings) > 0 || len(want.Constants()) < 15 {
		t.Fatalf("%d constants, %v, %v", len(want.Constants()), warnings, err)
	}
	latin1 := func(s string) string { return strings.ReplaceAll(s, "ü", "\xfc") }
	for name, variant := range map[string]string{
		"windows":            strings.ReplaceAll(php, "\n", "\r\n"),
		"old mac":            strings.ReplaceAll(php, "\n", "\r"),
		"byte order mark":    "\ufeff" + php,
		"html behind":        php + "?>\n<html>don't define( 'X', 1 );</html>\n",
		"php behind html":    strings.TrimSuffix(php, "\n") + " ?><p>it's</p><?php // again\n?>\n",
		"no last line end":   strings.TrimSuffix(php, "\n"),
		"upper case tag":     strings.Replace(php, "<?php", "<?PHP", 1),
		"short tag":          strings.Replace(php, "<?php", "<?", 1),
		"comments in latin1": latin1(php),
	} {
		got, warnings, err := read(t, variant)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, %v", name, warnings, err)
		}
		for i, k := range want.Constants() {
			if list := got.Constants(); i >= len(list) || list[i].Name != k.Name || list[i].Value != k.Value || list[i].Origin.Line != k.Origin.Line {
				t.Errorf("%s: %+v is not %+v", name, list[min(i, len(list)-1)], k)
				break
			}
		}
	}
}

// TestBytesStay holds strings to the bytes of the file, whatever its charset.
func TestBytesStay(t *testing.T) {
	config, _, err := read(t, "<?php define('P', 'm\xfcller\\\\'); define('Q', \"\xe9\\n\"); const \xe9t\xe9 = <<<\xe9\n\xff\n\xe9;\n")
	for name, want := range map[string]string{"P": "m\xfcller\\", "Q": "\xe9\n", "\xe9t\xe9": "\xff"} {
		if k, ok := config.Lookup(name); !ok || k.Value != want {
			t.Errorf("%q: %q, %v, %v", name, k.Value, ok, err)
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	for php, want := range map[string]string{
		"<?php\n\n'abc":                               "config.php:3: a string is not closed; add '",
		"<?php\ndefine('A', 1);\n\"a$b":               "config.php:3: a string is not closed; add \"",
		"<?php \"{$a[\"x\"":                           "config.php:1: a string is not closed; add \"",
		"<?php\n/* define('A', 1);":                   "config.php:2: a comment is not closed; add */",
		"<?php\n\n$a = <<<X\nabc\n XY\n":              "config.php:3: a heredoc is not closed; add a line X",
		"<?php `":                                     "config.php:1: a string is not closed; add `",
		"<?php " + strings.Repeat("/", maxFile):       "config.php: is larger than 512 KiB; name a config.php",
		"<?php \"" + strings.Repeat("{$a[\"", 10_000): "config.php:1: a string is not closed; add \"",
	} {
		_, _, err := read(t, php)
		var line *LineError
		if !errors.As(err, &line) || !strings.HasSuffix(err.Error(), "/"+want) {
			t.Errorf("%.40q: %v, want %s", php, err, want)
		}
	}
}

func TestUnreadableFiles(t *testing.T) {
	root := site(t, map[string]string{"dir/config.php": ""})
	for file, want := range map[string]string{"none.php": "none.php: no such file or directory", "dir": "dir: is no regular file; name a config.php"} {
		_, _, err := Read(root, filepath.Join(root, file))
		if err == nil || texts(root, []error{err})[0] != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
