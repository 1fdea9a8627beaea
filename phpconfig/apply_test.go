package phpconfig

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/settings"
)

// loadSite reads the settings of a site whose files are given, with environment
// variables.
func loadSite(t testing.TB, files, env map[string]string) settings.Settings {
	t.Helper()
	root := site(t, files)
	if err := os.MkdirAll(filepath.Join(root, "settings"), 0o777); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(settings.Options{Root: root, Getenv: func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// apply puts one config.php over the settings of a site without any.
func apply(t testing.TB, php string) (settings.Settings, []string, error) {
	t.Helper()
	s := loadSite(t, map[string]string{"config.php": "<?php " + php}, nil)
	warnings, err := Apply(&s, filepath.Join(s.Root, "config.php"))
	return s, texts(s.Root, warnings), err
}

const backendDefined = "define('CLUSTER_STORAGE_BACKEND', 'dfsmysqli');"

func TestApplyInstalled(t *testing.T) {
	s := loadSite(t, map[string]string{
		"settings/file.ini": "[eZDFSClusteringSettings]\nDBHost=ini\nDBSocket=/ini.sock\nDBName=ini\n",
		"config.php":        "<?php require 'config.cluster.php'; define('EZP_SOMETHING', $x);",
		"config.cluster.php": `<?php
define( 'CLUSTER_STORAGE_BACKEND', 'dfsmysqli' );
define( 'CLUSTER_STORAGE_HOST', 'p:db.example.com' );
define( 'CLUSTER_STORAGE_PORT', '3307' );
define( 'CLUSTER_STORAGE_USER', 'user' );
define( 'CLUSTER_STORAGE_PASS', 12345 );
define( 'CLUSTER_STORAGE_DB', 'php' );
define( 'CLUSTER_STORAGE_CHARSET', 'utf8' );
define( 'CLUSTER_MOUNT_POINT_PATH', 'mnt/dfs' );
define( 'CLUSTER_METADATA_TABLE_CACHE', 'cache_rows' );
define( 'CLUSTER_METADATA_CACHE_PATH', '/caches/' );
define( 'CLUSTER_METADATA_STORAGE_PATH', '/store/' );
define( 'CLUSTER_ENABLE_HTTP_CACHE', false );
define( 'CLUSTER_ENABLE_HTTP_RANGE', 0 );
define( 'CLUSTER_EXPIRY_TIMEOUT', 60 );
define( 'CLUSTER_HEADER_X_POWERED_BY', 'us' );
define( 'CLUSTER_ENABLE_DEBUG', false );
define( 'CLUSTER_PERSISTENT_CONNECTION', true );
`}, nil)
	warnings, err := Apply(&s, filepath.Join(s.Root, "config.php"), filepath.Join(s.Root, "config.cluster.php"))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", warnings, err)
	}
	want := settings.Defaults()
	want.DFS.DBHost, want.DFS.DBPort, want.DFS.DBUser, want.DFS.DBPassword, want.DFS.DBName = "db.example.com", 3307, "user", "12345", "php"
	want.DFS.MountPointPath, want.DFS.TableCache = filepath.Join(s.Root, "mnt/dfs"), "cache_rows"
	want.Files.CacheDir, want.Files.StorageDir = "caches", "store"
	want.Gateway.HTTPCache, want.Gateway.HTTPRange, want.Gateway.ExpiryTimeout, want.Gateway.PoweredBy = false, false, time.Minute, "us"
	if s.DFS != want.DFS || s.Files != want.Files || !reflect.DeepEqual(s.Gateway, want.Gateway) {
		t.Errorf("%+v\n%+v\n%+v", s.DFS, s.Files, s.Gateway)
	}
	if s.NFS["nfs"].MountPointPath != want.DFS.MountPointPath || s.NFS["nfs"].DirMode != 0o777 {
		t.Errorf("%+v", s.NFS)
	}
	told := 0
	for _, entry := range s.Entries() {
		if entry.Origin.File == filepath.Join(s.Root, "config.cluster.php") && entry.Origin.Line > 1 {
			told++
		}
	}
	if told != 15 { // the socket too, which the host replaces
		t.Errorf("%d origins", told)
	}
}

func TestApplyServers(t *testing.T) {
	for host, want := range map[string]settings.DFS{
		"db":                        {DBHost: "db", DBPort: 3306},
		"db:3307":                   {DBHost: "db", DBPort: 3307},
		"p:db:3307":                 {DBHost: "db", DBPort: 3307},
		"p:db":                      {DBHost: "db", DBPort: 3306},
		"db:":                       {DBHost: "db", DBPort: 3306},
		"":                          {DBHost: "localhost", DBPort: 3306},
		"p:":                        {DBHost: "localhost", DBPort: 3306},
		":3307":                     {DBHost: "localhost", DBPort: 3307},
		"10.0.0.1":                  {DBHost: "10.0.0.1", DBPort: 3306},
		"::1":                       {DBHost: "::1", DBPort: 3306},
		"[::1]":                     {DBHost: "::1", DBPort: 3306},
		"[::1]:3307":                {DBHost: "::1", DBPort: 3307},
		":/run/my.sock":             {DBHost: "dbhost", DBPort: 3306, DBSocket: "/run/my.sock"},
		"/run/my.sock":              {DBHost: "dbhost", DBPort: 3306, DBSocket: "/run/my.sock"},
		"localhost:/run/my.sock":    {DBHost: "dbhost", DBPort: 3306, DBSocket: "/run/my.sock"},
		"p:localhost:/run/my:1.soc": {DBHost: "dbhost", DBPort: 3306, DBSocket: "/run/my:1.soc"},
	} {
		s, warnings, err := apply(t, backendDefined+"define('CLUSTER_STORAGE_HOST', '"+host+"');")
		got := settings.DFS{DBHost: s.DFS.DBHost, DBPort: s.DFS.DBPort, DBSocket: s.DFS.DBSocket}
		if err != nil || len(warnings) > 0 || got != want {
			t.Errorf("%s: %+v, %v, %v", host, got, warnings, err)
		}
	}
}

func TestApplyLocalhostKeepsTheSocket(t *testing.T) {
	for host, want := range map[string]string{"localhost": "/ini.sock", "": "/ini.sock", "localhost:3306": "", "127.0.0.1": "", ":/php.sock": "/php.sock"} {
		s := loadSite(t, map[string]string{
			"settings/file.ini": "[eZDFSClusteringSettings]\nDBSocket=/ini.sock\n",
			"config.php":        "<?php " + backendDefined + "define('CLUSTER_STORAGE_HOST', '" + host + "');",
		}, nil)
		if _, err := Apply(&s, filepath.Join(s.Root, "config.php")); err != nil || s.DFS.DBSocket != want {
			t.Errorf("%q: %q, want %q: %v", host, s.DFS.DBSocket, want, err)
		}
	}
}

func TestApplyValues(t *testing.T) {
	for php, want := range map[string]struct {
		get   func(settings.Settings) any
		value any
	}{
		"define('CLUSTER_EXPIRY_TIMEOUT', false);":                            {func(s settings.Settings) any { return s.Gateway.ExpiryTimeout }, time.Duration(0)},
		"define('CLUSTER_EXPIRY_TIMEOUT', '120');":                            {func(s settings.Settings) any { return s.Gateway.ExpiryTimeout }, 2 * time.Minute},
		"define('CLUSTER_EXPIRY_TIMEOUT', null);":                             {func(s settings.Settings) any { return s.Gateway.ExpiryTimeout }, 24 * time.Hour},
		"define('CLUSTER_HEADER_X_POWERED_BY', false);":                       {func(s settings.Settings) any { return s.Gateway.PoweredBy }, ""},
		"define('CLUSTER_HEADER_X_POWERED_BY', '');":                          {func(s settings.Settings) any { return s.Gateway.PoweredBy }, ""},
		"define('CLUSTER_STORAGE_PORT', 0);":                                  {func(s settings.Settings) any { return s.DFS.DBPort }, 3306},
		"define('CLUSTER_STORAGE_PORT', null);":                               {func(s settings.Settings) any { return s.DFS.DBPort }, 3306},
		"define('CLUSTER_STORAGE_PORT', ' 3307');":                            {func(s settings.Settings) any { return s.DFS.DBPort }, 3307},
		"define('CLUSTER_ENABLE_HTTP_CACHE', '');":                            {func(s settings.Settings) any { return s.Gateway.HTTPCache }, false},
		"define('CLUSTER_ENABLE_HTTP_CACHE', '1');":                           {func(s settings.Settings) any { return s.Gateway.HTTPCache }, true},
		"define('CLUSTER_METADATA_CACHE_PATH', 'cache');":                     {func(s settings.Settings) any { return s.Files.CacheDir }, "cache"},
		"define('CLUSTER_METADATA_CACHE_PATH', '/a/b/');":                     {func(s settings.Settings) any { return s.Files.CacheDir }, "a/b"},
		"define('CLUSTER_MOUNT_POINT_PATH', '/abs');":                         {func(s settings.Settings) any { return s.NFS["nfs"].MountPointPath }, "/abs"},
		"define('CLUSTER_STORAGE_PASS', 'it\\'s');":                           {func(s settings.Settings) any { return s.DFS.DBPassword.Reveal() }, "it's"},
		"if(!defined('CLUSTER_STORAGE_DB'))define('CLUSTER_STORAGE_DB','x');": {func(s settings.Settings) any { return s.DFS.DBName }, "x"},
	} {
		s, warnings, err := apply(t, backendDefined+php)
		if got := want.get(s); err != nil || len(warnings) > 0 || got != want.value {
			t.Errorf("%s %v, want %v: %v, %v", php, got, want.value, warnings, err)
		}
	}
}

func TestApplyErrors(t *testing.T) {
	const at = "config.php:1: CLUSTER_"
	for php, want := range map[string]string{
		"define('CLUSTER_STORAGE_BACKEND', 'dfspostgresql');": at + `STORAGE_BACKEND: is "dfspostgresql", whose tables cannot be read; only dfsmysqli and dfsmysql can`,
		"define('CLUSTER_STORAGE_BACKEND', null);":            at + "STORAGE_BACKEND: is null, which switches the gateway off; write 'dfsmysqli'",
		"define('CLUSTER_STORAGE_BACKEND', true);":            at + "STORAGE_BACKEND: is true or false; write a string in quotes",
		"define('CLUSTER_STORAGE_PORT', 70000);":              at + `STORAGE_PORT: "70000" is more than 65535`,
		"define('CLUSTER_STORAGE_PORT', 'x');":                at + "STORAGE_PORT: is a string; write a whole number",
		"define('CLUSTER_STORAGE_PORT', 33.5);":               at + "STORAGE_PORT: is a fraction; write a whole number",
		"define('CLUSTER_STORAGE_HOST', 'db:port');":          at + `STORAGE_HOST: "port" is not a number`,
		"define('CLUSTER_STORAGE_HOST', false);":              at + "STORAGE_HOST: is true or false; write a string in quotes",
		"define('CLUSTER_STORAGE_PASS', true);":               at + "STORAGE_PASS: is true or false; write a string in quotes",
		"define('CLUSTER_STORAGE_PASS', 1.5);":                at + "STORAGE_PASS: is a fraction; write a string in quotes",
		"define('CLUSTER_ENABLE_HTTP_CACHE', 'false');":       at + "ENABLE_HTTP_CACHE: is a string; write true or false, without quotes",
		"define('CLUSTER_ENABLE_HTTP_RANGE', 2);":             at + "ENABLE_HTTP_RANGE: is a whole number; write true or false, without quotes",
		"define('CLUSTER_ENABLE_DEBUG', 'enabled');":          at + "ENABLE_DEBUG: is a string; write true or false, without quotes",
		"define('CLUSTER_PERSISTENT_CONNECTION', 1.5);":       at + "PERSISTENT_CONNECTION: is a fraction; write true or false, without quotes",
		"define('CLUSTER_EXPIRY_TIMEOUT', -1);":               at + `EXPIRY_TIMEOUT: "-1" is less than 0`,
		"define('CLUSTER_EXPIRY_TIMEOUT', true);":             at + "EXPIRY_TIMEOUT: is true or false; write a number of seconds, or false for none",
		"define('CLUSTER_EXPIRY_TIMEOUT', '1 day');":          at + "EXPIRY_TIMEOUT: is a string; write a number of seconds, or false for none",
		"define('CLUSTER_HEADER_X_POWERED_BY', true);":        at + "HEADER_X_POWERED_BY: is true or false; write a string in quotes",
		"define('CLUSTER_METADATA_CACHE_PATH', '/');":         at + `METADATA_CACHE_PATH: names no directory; write "/cache/"`,
		"define('CLUSTER_METADATA_STORAGE_PATH', '');":        at + `METADATA_STORAGE_PATH: names no directory; write "/storage/"`,
		"'": "config.php:1: a string is not closed; add '",
	} {
		s := loadSite(t, map[string]string{"config.php": "<?php define('CLUSTER_STORAGE_DB', 'changed');" + php}, nil)
		_, err := Apply(&s, filepath.Join(s.Root, "config.php"))
		if err == nil || texts(s.Root, []error{err})[0] != want || s.DFS.DBName != "cluster" {
			t.Errorf("%s %v\nwant %s\ndatabase %s", php, err, want, s.DFS.DBName)
		}
	}
	_, _, err := apply(t, "define('CLUSTER_STORAGE_BACKEND', 1); define('CLUSTER_STORAGE_PORT', -1);")
	if err == nil || strings.Count(err.Error(), "config.php:1: ") != 2 {
		t.Errorf("of two errors: %v", err)
	}
}

func TestApplyWarnings(t *testing.T) {
	const at = "config.php:1: CLUSTER_"
	for php, want := range map[string]string{
		backendDefined + "define('CLUSTER_STORAGE_PASSWORD', 1);":                                           at + "STORAGE_PASSWORD: is unknown and has no effect",
		backendDefined + "define('CLUSTER_STORAGE_HOTS', 1);":                                               at + "STORAGE_HOTS: is unknown and has no effect; did you mean CLUSTER_STORAGE_HOST?",
		backendDefined + "define('cluster_storage_host', 'x');define('CLUSTER_Storage_Host', 'x');":         at + "Storage_Host: is unknown and has no effect; did you mean CLUSTER_STORAGE_HOST?",
		backendDefined + "define('CLUSTER_STORAGE_GATEWAY_PATH', 'x');":                                     at + "STORAGE_GATEWAY_PATH: has no effect: it names a gateway written in PHP",
		backendDefined + "define('CLUSTER_ENABLE_DEBUG', true);":                                            at + "ENABLE_DEBUG: has no effect: clients are not shown the cause of an error, the log is; see --log-level",
		backendDefined + "define('CLUSTER_STORAGE_CHARSET', 'latin1');":                                     at + `STORAGE_CHARSET: is "latin1" and has no effect: names are read as utf8mb4`,
		backendDefined + "define('CLUSTER_EXPIRY_TIMEOUT', 0);":                                             at + "EXPIRY_TIMEOUT: is 0: no Expires is sent, where PHP sends one of the current time; write false if none is meant",
		backendDefined + "define('CLUSTER_STORAGE_PORT', 3308); define('CLUSTER_STORAGE_HOST', 'db:3307');": at + "STORAGE_PORT: is not used: CLUSTER_STORAGE_HOST names port 3307",
		backendDefined + "define('CLUSTER_STORAGE_PASS', $p); define('OTHER', $q);":                         at + "STORAGE_PASS: needs the variable $p, which is not evaluated; write its value",
		backendDefined + "require $x;":                                                                      "config.php:1: a file is not included, because its path cannot be told; name it beside this one",
		"define('OTHER', 1);":                                                                               "config.php: CLUSTER_STORAGE_BACKEND: is not defined: PHP's gateway serves nothing then; name config.php and config.cluster.php, or define it",
	} {
		_, warnings, err := apply(t, php)
		if err != nil || len(warnings) != 1 || warnings[0] != want {
			t.Errorf("%s %q, %v\nwant %s", php, warnings, err, want)
		}
	}
}

func TestApplyAgainstTheINIFiles(t *testing.T) {
	s := loadSite(t, map[string]string{
		"settings/site.ini": "[FileSettings]\nCacheDir=caches\nStorageDir=storage\n",
		"config.php":        "<?php " + backendDefined + "define('CLUSTER_METADATA_CACHE_PATH', '/cache/'); define('CLUSTER_METADATA_STORAGE_PATH', '/storage/');",
	}, nil)
	warnings, err := Apply(&s, filepath.Join(s.Root, "config.php"))
	const want = `config.php:1: CLUSTER_METADATA_CACHE_PATH: is "cache", but CacheDir is "caches" in settings/site.ini:2, by which PHP stores files; make them alike`
	if got := texts(s.Root, warnings); err != nil || len(got) != 1 || got[0] != want || s.Files.CacheDir != "cache" {
		t.Errorf("%q, %v, %s", got, err, s.Files.CacheDir)
	}
}

func TestApplyLeavesTheEnvironment(t *testing.T) {
	files := map[string]string{"config.php": "<?php " + backendDefined + "define('CLUSTER_STORAGE_HOST', ':/php.sock'); define('CLUSTER_STORAGE_DB', 'php'); define('CLUSTER_STORAGE_USER', 'php');"}
	s := loadSite(t, files, map[string]string{"DFS_DB_HOST": "env", "DFS_DB_NAME": "env"})
	if _, err := Apply(&s, filepath.Join(s.Root, "config.php")); err != nil {
		t.Fatal(err)
	}
	if s.DFS.DBHost != "env" || s.DFS.DBSocket != "" || s.DFS.DBName != "env" || s.DFS.DBUser != "php" {
		t.Errorf("%+v", s.DFS)
	}
	s = loadSite(t, files, map[string]string{"DFS_DB_BACKEND": "SQLite", "DFS_MOUNT_POINT_PATH": "/env"})
	if _, err := Apply(&s, filepath.Join(s.Root, "config.php")); err != nil {
		t.Fatal(err)
	}
	if engine, _ := s.DFS.Engine(); engine != settings.SQLite || !strings.HasSuffix(s.DFS.DBName, "/cluster") || s.DFS.DBSocket != "" {
		t.Errorf("%+v", s.DFS)
	}
}
