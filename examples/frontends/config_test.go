package frontends

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// legacyRule is the legacy's rewrite rule, as it stands in each example.
const legacyRule = "^/var/([^/]+/)?storage/images(-versioned)?/"

// replacement is something that an administrator changes in an example.
type replacement struct{ old, new string }

// example writes an example with replacements to a temporary directory and
// returns its path there. Files beside it are copied as they are. Each
// replacement must have something to replace, so that no example loses what
// an administrator would look for.
func example(t *testing.T, file string, replacements ...replacement) string {
	t.Helper()
	dir := t.TempDir()
	siblings, err := filepath.Glob(filepath.Join("..", filepath.Dir(file), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sibling := range siblings {
		data, err := os.ReadFile(sibling)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if filepath.Base(sibling) == filepath.Base(file) {
			text = replaced(t, file, text, replacements)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(sibling)), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, filepath.Base(file))
}

func replaced(t *testing.T, file, text string, replacements []replacement) string {
	t.Helper()
	var pairs []string
	for _, r := range replacements {
		if !strings.Contains(text, r.old) {
			t.Fatalf("%s has no %q", file, r.old)
		}
		pairs = append(pairs, r.old, r.new)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// everything makes a front end hand all paths to the gateway: the table asks
// for files outside of the legacy's rule, too.
var everything = replacement{legacyRule, "^"}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
