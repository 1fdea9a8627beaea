package phpconfig_test

import (
	"fmt"
	"os"
	"path/filepath"

	"example.com/ezdfs/phpconfig"
	"example.com/ezdfs/settings"
)

const php = `<?php
define( 'CLUSTER_STORAGE_BACKEND', 'dfsmysqli' );
define( 'CLUSTER_STORAGE_HOST', 'db.example.com' );
define( 'CLUSTER_EXPIRY_TIMEOUT', 60 * 60 );
define( 'CLUSTER_STORAGE_PASS', getenv( 'PASS' ) );
`

// The constants go over the settings that the INI files gave.
func ExampleApply() {
	root, err := os.MkdirTemp("", "site")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(root)
	file := filepath.Join(root, "config.php")
	if err := os.WriteFile(file, []byte(php), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	s := settings.Defaults()
	s.Root = root
	warnings, err := phpconfig.Apply(&s, file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.DFS.DBHost, s.Gateway.ExpiryTimeout)
	fmt.Println(len(warnings), "warning")
	// Output:
	// db.example.com 1h0m0s
	// 1 warning
}

// The constants themselves know where they were defined.
func ExampleRead() {
	config, _, err := phpconfig.Read(".", "testdata/plain.php")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, k := range config.Constants() {
		fmt.Println(k.Name, k.Value, k.Origin)
	}
	// Output:
	// CLUSTER_STORAGE_BACKEND dfsmysqli testdata/plain.php:2
	// CLUSTER_STORAGE_PORT 3306 testdata/plain.php:3
}
