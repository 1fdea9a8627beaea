package chaostest

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// running is a gateway on MariaDB, a directory and versitygw, on a port.
type running struct {
	url, etag string // of the large file on NFS
	handler   *gateway.Handler
	cluster   *cluster.Cluster
	end       context.CancelFunc
	ended     chan error
}

// start starts a gateway with the files that the clients ask for.
func start(t *testing.T, s3 *testservice.VersityGW) *running {
	t.Helper()
	s := site(t, s3)
	fill(t, s)
	rows := gateway.NewRows(s)
	c, err := cluster.Open(t.Context(), s, cluster.WithListeners(rows))
	if err != nil {
		t.Fatal(err)
	}
	o, err := gateway.OptionsFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	o.Rows, o.AddHeader, o.BeforeBody = rows, server.AddHeader, server.HoldNext
	front, err := server.Listen(t.Context(), server.Options{
		Listen: []string{"127.0.0.1:0"}, DrainTimeout: 10 * time.Second, // a client knows its answer before the server calls the connection idle
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	g := &running{
		url: "http://" + front.Addresses()[0].String() + "/var/site/storage/", etag: `"1700000000-1048576"`,
		handler: gateway.New(c, o), cluster: c, end: end, ended: make(chan error, 1),
	}
	go func() { g.ended <- front.Serve(ctx, front.Protect(g.handler), http.NotFoundHandler()) }()
	return g
}

// fill stores the files that the clients ask for. The gateway is not there yet:
// its feed would tell it of them after it had read their rows, and a row that
// is known to have changed serves nobody while the database is down.
func fill(t *testing.T, s settings.Settings) {
	t.Helper()
	c, err := cluster.Open(t.Context(), s, cluster.ForOneCommand())
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{
		"nfs/small": 10 << 10, "nfs/large": 1 << 20, "s3/small": 10 << 10, "s3/large": 1 << 20,
	} {
		if _, err := c.Store(t.Context(), "var/site/storage/"+name, bytes.NewReader(make([]byte, size)),
			cluster.StoreOptions{Scope: "image", ModTime: time.Unix(1_700_000_000, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// stop ends the gateway; nothing of it is left.
func (g *running) stop(t *testing.T) {
	t.Helper()
	g.end()
	if err := <-g.ended; err != nil {
		t.Error(err)
	}
	if err := g.cluster.Close(); err != nil {
		t.Error(err)
	}
}

// site returns the settings of a cluster with tables.
func site(t *testing.T, s3 *testservice.VersityGW) settings.Settings {
	t.Helper()
	s := settings.Defaults()
	s.Root = t.TempDir()
	mount := filepath.Join(s.Root, "mount")
	if err := os.Mkdir(mount, 0o777); err != nil {
		t.Fatal(err)
	}
	s.DFS.DFSBackend, s.DFS.MountPointPath = "eZDFSFileHandlerDFSDispatcher", mount
	s.DFS.DBBackend, s.DFS.DBName, s.DFS.DBSocket = "MySQL", mariaDB.Database(t), mariaDB.Socket()
	s.DFS.DBUser, s.DFS.DBPassword = "root", ""
	s.NFS = map[string]settings.NFS{"nfs": {Name: "nfs", MountPointPath: mount}}
	s.S3 = map[string]settings.S3{"s3": {
		Name: "s3", Bucket: s3.Bucket(t), Endpoint: s3.Endpoint, UsePathStyleEndpoint: true, Region: s3.Region,
		AccessKeyID: s3.AccessKey, SecretAccessKey: settings.Secret(s3.SecretKey), PartSize: 5 << 20, Concurrency: 2,
	}}
	s.Dispatch.PathBackends = []settings.Rule{{Prefix: "var/site/storage/s3/", Backend: "s3"}}
	// Short times, but nothing that a busy machine would not keep to.
	s.Gateway.MetadataTTL, s.Gateway.RetryAfter = 100*time.Millisecond, time.Second
	s.Gateway.StoreTimeout, s.Gateway.DBTimeout = 2*time.Second, 2*time.Second
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	store, err := metadata.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}
