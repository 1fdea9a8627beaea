package phpconfig

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzRead reads whatever comes. It must end, without panic, and tell nothing
// that cannot be.
func FuzzRead(f *testing.F) {
	archives, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data)
			f.Add([]byte(strings.ReplaceAll(string(file.Data), "\n", "\r\n")))
		}
	}
	for _, seed := range []string{
		"", "<?", "<?php", "<?php\n", "<?=", "?>", "<?php ?>", "<?php #[", "<?php #[A] class", "<?php <<<A", "<?php <<<A\n", "<?php <<<'A'\nA",
		"<?php \"{$", "<?php \"${", "<?php '\\", "<?php \"\\", "<?php \"\\u{", "<?php define(", "<?php define('A'", "<?php define('A',", "<?php const",
		"<?php const A", "<?php const A=", "<?php if", "<?php if(", "<?php if(!defined('A'))", "<?php else", "<?php }", "<?php {", "<?php ) ] }",
		"<?php defined('A') or", "<?php !", "<?php include", "<?php include 'config.php';", "<?php define('A', 1.);", "<?php define('A', .5.'x');",
		"<?php define('A', 0x);", "<?php define('A', 1__2);", "<?php define('A', -9223372036854775807 - 1); define('B', A / -1);", "<?php namespace", "<?php function",
		"<?php switch(1):", "<?php do", "<?php try", "<?php \\", "<?php $", "<?php __halt_compiler", "<?php define('A', dirname(", "\xef\xbb\xbf<?php define('\xe9', '\xff');",
	} {
		f.Add([]byte(seed))
	}
	root := f.TempDir()
	file := filepath.Join(root, "config.php")
	f.Fuzz(func(t *testing.T, php []byte) {
		r := &reader{root: root}
		err := r.interpret(file, string(php), nil)
		config, warnings := r.config, r.warnings
		checkConfig(t, config)
		for _, err := range append(warnings, err) {
			var line *LineError
			if err != nil && (!errors.As(err, &line) || line.Origin.File != file || line.Reason == "") {
				t.Errorf("%v", err)
			}
		}
		if !strings.Contains(string(php), "<?") && len(config.constants)+len(warnings) > 0 {
			t.Errorf("%v and %v outside of PHP", config.constants, warnings)
		}
	})
}

func checkConfig(t *testing.T, config Config) {
	t.Helper()
	for i, k := range config.Constants() {
		if found, ok := config.Lookup(k.Name); !ok || found != k && found.Value == found.Value { // a fraction may be no number
			t.Errorf("%d: %+v is not %+v", i, found, k)
		}
		if k.Name == "" || k.Origin.Line < 1 {
			t.Errorf("%+v", k)
		}
		switch k.Value.(type) {
		case string, int64, float64, bool, nil:
		default:
			t.Errorf("%s is a %T", k.Name, k.Value)
		}
	}
}
