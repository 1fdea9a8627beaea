package phpconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestDepthIsBounded(t *testing.T) {
	const many = 10_000
	for name, php := range map[string]string{
		"parentheses": "define('X', " + strings.Repeat("(", many) + "1" + strings.Repeat(")", many) + ");",
		"signs":       "define('X', " + strings.Repeat("- ", many) + "1);",
		"calls":       "define('X', " + strings.Repeat("dirname(", many/2) + "'/'" + strings.Repeat(")", many/2) + ");",
		"unclosed":    "define('X', " + strings.Repeat("(", many),
		"blocks":      strings.Repeat("{", many) + "define('X', 1);",
		"conditions":  strings.Repeat("if(!defined('Y'))", many/4) + "define('X', 1);",
		"unknown":     strings.Repeat("if($x)", many/2) + "define('X', 1);",
		"elses":       strings.Repeat("if($x);else ", many/4) + "define('X', 1);",
		"colons":      strings.Repeat("if($x):", many/2) + "define('X', 1);",
		"negations":   "if (" + strings.Repeat("!", many) + "defined('Y')) define('X', 1);",
		"guards":      strings.Repeat("defined('Y') or ", many/4) + "define('X', 1);",
		"nested if":   "if (" + strings.Repeat("(", many) + "defined('Y')" + strings.Repeat(")", many) + ") define('X', 1);",
		"attributes":  strings.Repeat("#[\n", many) + "define('X', $x);",
		"silence":     "if (!defined('Y')) " + strings.Repeat("@", many) + "define('X', $x);",
	} {
		config, warnings, err := read(t, "<?php "+php)
		if _, ok := config.Lookup("X"); ok || len(warnings) == 0 || err != nil {
			t.Errorf("%s: %v, %.300v, %v", name, ok, warnings, err)
		}
	}
}

func TestSizeOfTextsIsBounded(t *testing.T) {
	var php strings.Builder
	php.WriteString("<?php define('A0', 'abcdefgh');")
	for i := range 60 {
		fmt.Fprintf(&php, "define('A%d', A%d . A%d);", i+1, i, i)
	}
	config, warnings, _ := read(t, php.String())
	if n := len(config.Constants()); n != 10 || len(warnings) != 51 { // 8 bytes to 4096
		t.Errorf("%d constants, %d warnings", n, len(warnings))
	}
	for _, k := range config.Constants() {
		if len(k.Value.(string)) > maxText {
			t.Errorf("%s has %d bytes", k.Name, len(k.Value.(string)))
		}
	}
}

func TestChainOfIncludesIsBounded(t *testing.T) {
	files := map[string]string{"config.php": "<?php include 'f0.php';"}
	for i := range 40 {
		files[fmt.Sprintf("f%d.php", i)] = fmt.Sprintf("<?php define('F%d', 1); include 'f%d.php';", i, i+1)
	}
	root := site(t, files)
	config, warnings, err := Read(root, filepath.Join(root, "config.php"))
	if n := len(config.Constants()); err != nil || n != maxChain-1 || len(warnings) != 1 || !strings.HasSuffix(warnings[0].Error(), "f7.php is not included: too many files are") {
		t.Errorf("%d constants, %v, %v", n, warnings, err)
	}
}

func TestNumberOfIncludesIsBounded(t *testing.T) {
	root := site(t, map[string]string{"config.php": "<?php " + strings.Repeat("include 'f.php';", 100), "f.php": "<?php 1;"})
	_, warnings, err := Read(root, filepath.Join(root, "config.php"))
	if err != nil || len(warnings) != 100-(maxFiles-1) {
		t.Errorf("%d warnings, %v", len(warnings), err)
	}
}

func TestPipesAreNotWaitedFor(t *testing.T) {
	root := site(t, map[string]string{"config.php": "<?php include 'pipe';"})
	pipe := filepath.Join(root, "pipe")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Skip(err)
	}
	if _, warnings, err := Read(root, filepath.Join(root, "config.php")); err != nil || len(warnings) != 1 {
		t.Errorf("%v, %v", warnings, err)
	}
	if _, _, err := Read(root, pipe); err == nil || !strings.HasSuffix(err.Error(), "is no regular file; name a config.php") {
		t.Error(err)
	}
}

// TestSymbolicLinks has the site root and the file be links, as deployments
// with releases and shared files do: __DIR__ is then where the file really is.
func TestSymbolicLinks(t *testing.T) {
	dir := site(t, map[string]string{
		"shared/config.php":         "<?php define('DIR', __DIR__); define('FILE', __FILE__); require __DIR__ . '/secret.php'; require 'local.php'; include 'config.php'; require '../other/x.php';",
		"shared/secret.php":         "<?php define('SECRET', 1);",
		"releases/1/local.php":      "<?php define('LOCAL', 1);",
		"releases/other/x.php":      "<?php define('NO', 1);",
		"releases/1/settings/x.ini": "",
	})
	dir = realPath(dir)
	current := filepath.Join(dir, "current")
	for link, target := range map[string]string{current: "releases/1", filepath.Join(dir, "releases/1/config.php"): "../../shared/config.php"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	config, warnings, err := Read(current, filepath.Join(current, "config.php"))
	for name, want := range map[string]any{"DIR": dir + "/shared", "FILE": dir + "/shared/config.php", "SECRET": int64(1), "LOCAL": int64(1)} {
		if k, ok := config.Lookup(name); !ok || k.Value != want {
			t.Errorf("%s is %v, want %v", name, k.Value, want)
		}
	}
	if _, ok := config.Lookup("NO"); ok || len(warnings) != 2 || err != nil {
		t.Errorf("%v, %v, %v", ok, warnings, err)
	}
}
