// Command docgen keeps the parts of the README that come from the source: the
// tables of the settings and the help of dfsctl. With -check it changes
// nothing and fails when the README is not current.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"example.com/ezdfs/settings"
)

const readme = "README.md"

// blocks are what stands between "<!-- name: generated -->" and
// "<!-- end of name -->".
var blocks = []struct {
	name     string
	generate func() (string, error)
}{
	{"settings", func() (string, error) { return settings.Reference(), nil }},
	{"help", help},
}

func main() {
	check := flag.Bool("check", false, "only say whether "+readme+" is current")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	old, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	current := string(old)
	for _, block := range blocks {
		text, err := block.generate()
		if err != nil {
			return fmt.Errorf("%s: %w", block.name, err)
		}
		if current, err = replace(current, block.name, text); err != nil {
			return err
		}
	}
	if current == string(old) {
		return nil
	}
	if check {
		return fmt.Errorf("%s is not current: run `make docs` and commit it", readme)
	}
	return os.WriteFile(readme, []byte(current), 0o644)
}

// replace puts text between the marks of a block.
func replace(document, name, text string) (string, error) {
	begin, end := "<!-- "+name+": generated -->\n", "<!-- end of "+name+" -->"
	before, rest, ok1 := strings.Cut(document, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return "", fmt.Errorf("%s has no block %q", readme, name)
	}
	return before + begin + "\n" + strings.TrimSpace(text) + "\n\n" + end + after, nil
}

func help() (string, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("go", "run", "./cmd/dfsctl", "help")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, &stderr)
	}
	return "```text\n" + string(out) + "```", nil
}
