package main

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/rogpeppe/go-internal/testscript"

	"example.com/ezdfs/internal/testservice"
)

var mariaDB = testservice.NewMariaDB(testservice.MariaDBOptions{})

func TestMain(m *testing.M) {
	testscript.Main(testservice.Main(m, mariaDB.Close), map[string]func(){"dfsctl": main})
}

// TestScripts runs dfsctl as a binary, on SQLite, directories and an S3 server
// of this process. The scripts of a command bear its name.
func TestScripts(t *testing.T) {
	testscript.Run(t, params("testdata/script", startS3))
}

// TestScriptsMariaDB runs the scripts that need a database server.
func TestScriptsMariaDB(t *testing.T) {
	mariaDB.Start(t)
	testscript.Run(t, params("testdata/mariadb", func(env *testscript.Env) error {
		env.Setenv("DB_SOCKET", mariaDB.Socket())
		return nil
	}))
}

func params(dir string, setup func(*testscript.Env) error) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else every command takes a second to end
			return setup(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":  cmdCode,
			"site":  cmdSite,
			"bytes": cmdBytes,
			"sql":   cmdSQL,
			"rows":  cmdRows,
		},
	}
}

// startS3 gives a script an S3 server of its own with the bucket "media".
func startS3(env *testscript.Env) error {
	store := s3mem.New()
	server := httptest.NewServer(gofakes3.New(store).Server())
	env.Defer(server.Close)
	env.Setenv("S3_ENDPOINT", server.URL)
	return store.CreateBucket("media")
}

// cmdCode runs a command that must end with the given exit code: code 3 dfsctl
// stat PATH.
func cmdCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// siteSettings is what site writes: the default on one tree, images on another
// and media in a bucket.
const siteSettings = `<?php /* #?ini charset="utf-8"?
[ClusteringSettings]
FileHandler=eZDFSFileHandler

[eZDFSClusteringSettings]
MountPointPath=mnt
DBBackend=SQLite
DBName=cluster.db
DFSBackend=eZDFSFileHandlerDFSDispatcher

[DispatchableDFS]
DefaultBackend=eZDFSFileHandlerDFSBackend
PathBackends[var/site/storage/images]=nfs:cold
PathBackends[var/site/storage/original]=s3

[nfs:cold]
MountPointPath=cold
*/ ?>
`

const bucketSettings = `[BackendSettings]
Bucket=media
Endpoint=%s
UsePathStyleEndpoint=enabled
AccessKeyID=test
SecretAccessKey=test-secret
`

// cmdSite makes the working directory a site with an empty cluster.
func cmdSite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: site")
	}
	for _, dir := range []string{"settings/override", "mnt", "cold"} {
		ts.Check(os.MkdirAll(ts.MkAbs(dir), 0o777))
	}
	write := func(name, text string) {
		ts.Check(os.WriteFile(ts.MkAbs("settings/override/"+name), []byte(text), 0o666))
	}
	write("file.ini.append.php", siteSettings)
	write("dfsamazons3.ini.append.php", fmt.Sprintf(bucketSettings, ts.Getenv("S3_ENDPOINT")))
	ts.Check(ts.Exec("dfsctl", "schema", "create"))
}

// cmdBytes writes a file of so many equal bytes: bytes FILE 1000.
func cmdBytes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bytes FILE NUMBER")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	file := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(file), 0o777))
	data := make([]byte, n)
	for i := range data {
		data[i] = 'x'
	}
	ts.Check(os.WriteFile(file, data, 0o666))
}
