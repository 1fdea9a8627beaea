package settings

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what comes out into the want files of testdata/settings; read the diff")

// TestGolden reads each archive of testdata/settings as a site and holds what
// comes out against its want files:
//
//	want.settings   the entries that no default gave, with their origins
//	want.problems   what Check finds
//	want.routing    the default backend and the rules
//	want.instances  the backends there are
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("../testdata/settings/*.txtar")
	if err != nil || len(archives) < 5 {
		t.Fatalf("found %d archives, %v", len(archives), err)
	}
	for _, path := range archives {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { checkGolden(t, path) })
	}
}

func checkGolden(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := txtar.Write(archive, dir); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	opts := Options{Getenv: environmentOf(string(archive.Comment))}
	s, loadErr := Load(opts)
	problems := Check(t.Context(), opts)
	checkAgree(t, loadErr, problems)

	got := map[string]string{
		"want.settings": showEntries(s), "want.problems": showLines(problems),
		"want.routing": showRouting(s), "want.instances": showInstances(s),
	}
	for i, file := range archive.Files {
		out, ok := got[file.Name]
		out = strings.NewReplacer(s.Root+"/", "", s.Root, ".").Replace(out)
		if ok && out != string(file.Data) {
			t.Errorf("%s:\n%s\nwant:\n%s", file.Name, out, file.Data)
			archive.Files[i].Data = []byte(out)
		}
	}
	if *update && t.Failed() {
		if err := os.WriteFile(path, txtar.Format(archive), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// environmentOf reads the "env: NAME=value" lines of an archive's comment.
func environmentOf(comment string) func(string) (string, bool) {
	vars := map[string]string{}
	for line := range strings.Lines(comment) {
		if set, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "env: "); ok {
			name, value, _ := strings.Cut(set, "=")
			vars[name] = value
		}
	}
	return func(name string) (string, bool) { value, ok := vars[name]; return value, ok }
}

// checkAgree holds Load against Check: what the one refuses, the other lists.
func checkAgree(t *testing.T, err error, problems []Problem) {
	t.Helper()
	if err == nil {
		return
	}
	for _, err := range flatten(err) {
		want := problemOf(err)
		if !slices.Contains(problems, want) {
			t.Errorf("Check does not list %v", err)
		}
		if want.Origin.File == "" {
			t.Errorf("an error without a file: %v", err)
		}
	}
}

func showEntries(s Settings) string {
	var b strings.Builder
	for _, e := range s.Entries() {
		if e.Origin != (Origin{}) {
			fmt.Fprintf(&b, "[%s] %s=%s (%s)\n", e.Group, e.Key, e.Value, e.Origin)
		}
	}
	return b.String()
}

func showLines[T any](list []T) string {
	var b strings.Builder
	for _, item := range list {
		fmt.Fprintln(&b, item)
	}
	return b.String()
}

func showRouting(s Settings) string {
	def, rules, contains := s.Routing()
	out := "default " + def
	if contains {
		out += " contains"
	}
	for _, rule := range rules {
		out += "\n" + rule.Prefix + " " + rule.Backend
	}
	return out + "\n"
}

func showInstances(s Settings) string {
	out := ""
	for _, names := range [][]string{
		slices.Sorted(maps.Keys(s.NFS)), slices.Sorted(maps.Keys(s.S3)), slices.Sorted(maps.Keys(s.GCS)),
	} {
		if len(names) > 0 {
			out += strings.Join(names, " ") + "\n"
		}
	}
	return out
}
