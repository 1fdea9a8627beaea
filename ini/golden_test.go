package ini

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestGoldenArchives reads each archive of testdata/ini as a site whose
// file.ini must come out as its want.* files say.
func TestGoldenArchives(t *testing.T) {
	archives, err := filepath.Glob("../testdata/ini/*.txtar")
	if err != nil || len(archives) < 5 {
		t.Fatalf("found %d archives, %v", len(archives), err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := txtar.Write(archive, dir); err != nil {
				t.Fatal(err)
			}
			t.Chdir(dir)
			src := Source{Dir: "settings"}
			for line := range strings.Lines(string(archive.Comment)) {
				if name, ok := strings.CutPrefix(line, "siteaccess:"); ok {
					src.SiteAccess = strings.TrimSpace(name)
				}
				if names, ok := strings.CutPrefix(line, "extensions:"); ok {
					src.Extensions = strings.Fields(names)
				}
			}
			checkGolden(t, src)
		})
	}
}

// TestGoldenTrees does the same with trees whose bytes matter.
func TestGoldenTrees(t *testing.T) {
	trees, err := filepath.Glob("../testdata/ini/bytes/*/settings")
	if err != nil || len(trees) < 5 {
		t.Fatalf("found %d trees, %v", len(trees), err)
	}
	for _, tree := range trees {
		t.Run(filepath.Base(filepath.Dir(tree)), func(t *testing.T) {
			t.Chdir(filepath.Dir(tree))
			checkGolden(t, Source{Dir: "settings"})
		})
	}
}

// checkGolden holds what the cascade of file.ini says against the want.* files
// of the working directory; those that are absent stand for nothing.
func checkGolden(t *testing.T, src Source) {
	t.Helper()
	doc, err := Load(src, "file.ini")
	if doc == nil {
		t.Fatal(err)
	}
	dump, jsonErr := doc.MarshalJSON()
	if jsonErr != nil {
		t.Fatal(jsonErr)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, golden(t, "want.json")); err != nil {
		t.Fatal(err)
	}
	if string(dump) != want.String() {
		t.Errorf("dump:\n%s\nwant:\n%s", dump, want.String())
	}
	got := ""
	if err != nil {
		got = err.Error() + "\n"
	}
	if want := string(golden(t, "want.errors")); got != want {
		t.Errorf("errors:\n%s\nwant:\n%s", got, want)
	}
	got = ""
	for _, warning := range doc.Warnings {
		got += warning.Error() + "\n"
	}
	if want := string(golden(t, "want.warnings")); got != want {
		t.Errorf("warnings:\n%s\nwant:\n%s", got, want)
	}
	if want := golden(t, "want.origins"); want != nil && origins(doc) != string(want) {
		t.Errorf("origins:\n%s\nwant:\n%s", origins(doc), want)
	}
	checkInvariants(t, doc)
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return data
}

func origins(doc *Document) string {
	var b strings.Builder
	for _, group := range doc.Groups() {
		for _, key := range doc.Keys(group) {
			origin, _ := doc.Origin(group, key)
			fmt.Fprintf(&b, "[%s] %s %s\n", group, key, origin)
			entries, _ := doc.Array(group, key)
			for _, entry := range entries {
				fmt.Fprintf(&b, "[%s] %s[%s] %s\n", group, key, entry.Key, entry.Origin)
			}
		}
	}
	return b.String()
}

// checkInvariants holds a document against itself: every key is either a
// scalar or an array, has an origin, and stands in the ini.v1 file verbatim.
func checkInvariants(t *testing.T, doc *Document) {
	t.Helper()
	for _, group := range doc.Groups() {
		if len(doc.Keys(group)) == 0 {
			t.Errorf("group %q has no keys", group)
		}
		for _, key := range doc.Keys(group) {
			scalar, isScalar := doc.Value(group, key)
			entries, isArray := doc.Array(group, key)
			if isScalar == isArray {
				t.Errorf("[%s] %s: scalar %v, array %v", group, key, isScalar, isArray)
			}
			if origin, ok := doc.Origin(group, key); !ok || origin.Line < 1 {
				t.Errorf("[%s] %s: origin %v, %v", group, key, origin, ok)
			}
			under := doc.File().Section(sectionName(group)).Key(key)
			if under.Value() != scalar {
				t.Errorf("[%s] %s: %q, in the model %q", group, key, scalar, under.Value())
			}
			if values := valuesOf(entries); !slices.Equal(values, under.NestedValues()) {
				t.Errorf("[%s] %s: %q, in the model %q", group, key, values, under.NestedValues())
			}
		}
	}
}

func valuesOf(entries []Entry) []string {
	var values []string
	for _, entry := range entries {
		values = append(values, entry.Value)
	}
	return values
}
