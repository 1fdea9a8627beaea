package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/gateway/gatewaytest"
	"example.com/ezdfs/internal/testservice/fakegcs"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(fakegcs.LeaksBy))
}

// loadSettings reads a file.ini of a cluster on one directory and SQLite.
func loadSettings(t testing.TB, lines string) settings.Settings {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"settings", "mount"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	ini := "[eZDFSClusteringSettings]\nMountPointPath=mount\nDBBackend=SQLite\nDBName=" + filepath.Join(root, "cluster.db") + "\n" + lines
	if err := os.WriteFile(filepath.Join(root, "settings", "file.ini"), []byte(ini), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(settings.Options{Root: root, Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newCluster opens a cluster with its tables until the end of the test.
func newCluster(t testing.TB, s settings.Settings, options ...cluster.Option) *cluster.Cluster {
	t.Helper()
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	config.Create = true
	store, err := metadata.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.Close()
	c, err := cluster.Open(t.Context(), s, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// tableCluster returns a cluster with the files of the tables, and the options
// that they expect.
func tableCluster(t testing.TB, change ...func(*settings.Settings)) (*cluster.Cluster, gateway.Options) {
	t.Helper()
	s := loadSettings(t, gatewaytest.Settings)
	for _, change := range change {
		change(&s)
	}
	c := newCluster(t, s)
	gatewaytest.Populate(t, c)
	o, err := gateway.OptionsFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	return c, o
}

// serve listens on a port of 127.0.0.1 until the end of the test.
func serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(server.Client().CloseIdleConnections)
	return server
}

// store stores a file that has not been changed for long.
func store(t testing.TB, c *cluster.Cluster, name, body string) metadata.Row {
	t.Helper()
	row, err := c.Store(t.Context(), name, strings.NewReader(body), cluster.StoreOptions{
		Scope: "image", DataType: "text/plain", ModTime: time.Unix(1_700_000_000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// get asks a handler for a path, with header lines as "Key: value".
func get(t testing.TB, h http.Handler, method, target string, lines ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), method, target, nil)
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		r.Header.Add(key, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
