package phpconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site writes files into a new site root and returns it.
func site(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// read reads one file of the given text.
func read(t testing.TB, php string) (Config, []string, error) {
	t.Helper()
	root := site(t, map[string]string{"config.php": php})
	config, warnings, err := Read(root, filepath.Join(root, "config.php"))
	return config, texts(root, warnings), err
}

// texts are what errors say, with files relative to root.
func texts(root string, errs []error) []string {
	var list []string
	for _, err := range errs {
		list = append(list, strings.ReplaceAll(err.Error(), root+"/", ""))
	}
	return list
}
