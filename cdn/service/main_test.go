package service

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/cdn/cdntest"
	"example.com/ezdfs/cdn/cdntest/akamai"
	"example.com/ezdfs/cdn/cdntest/cloudflare"
	"example.com/ezdfs/cdn/cdntest/cloudfront"
	"example.com/ezdfs/cdn/cdntest/fastly"
	"example.com/ezdfs/cdn/cdntest/googlecdn"
	"example.com/ezdfs/cdn/cdntest/webhook"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

var maria = testservice.NewMariaDB(testservice.MariaDBOptions{})

func TestMain(m *testing.M) { goleak.VerifyTestMain(testservice.Main(m, maria.Close)) }

// newSite returns the settings of a site with one tree, mnt, and another, mirror,
// that no rule uses, and its database on SQLite.
func newSite(tb testing.TB) (settings.Settings, *metadata.Store) {
	tb.Helper()
	s := settings.Defaults()
	s.Root = tb.TempDir()
	s.NFS = map[string]settings.NFS{}
	for name, dir := range map[string]string{"nfs": "mnt", "nfs:mirror": "mirror"} {
		// An empty tree may be a share that is not mounted.
		if err := os.MkdirAll(filepath.Join(s.Root, dir, "var"), 0o777); err != nil {
			tb.Fatal(err)
		}
		s.NFS[name] = settings.NFS{Name: name, MountPointPath: filepath.Join(s.Root, dir), FileMode: 0o666, DirMode: 0o777}
	}
	s.DFS.MountPointPath = s.NFS["nfs"].MountPointPath
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(s.Root, "cluster.db")
	return s, openStore(tb, s)
}

// openStore opens the database of a site, with its tables.
func openStore(tb testing.TB, s settings.Settings) *metadata.Store {
	tb.Helper()
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		tb.Fatal(err)
	}
	config.Create = true
	store, err := metadata.Open(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	if err := store.CreateSchema(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return store
}

// addTargets gives a site a target of each kind, each with its stand-in, and
// returns what stands before them. The replica has none.
func addTargets(tb testing.TB, s *settings.Settings) map[string]*cdntest.Faults {
	tb.Helper()
	all := map[string]*cdntest.Faults{}
	start := func(name string, api http.Handler) string {
		all[name] = cdntest.NewFaults(api)
		server := httptest.NewServer(all[name])
		tb.Cleanup(server.Close)
		return server.URL
	}
	cache := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	s.Targets.Varnish = map[string]settings.Varnish{"varnish:a": {Name: "varnish:a", Servers: []string{start("varnish:a", cache)}}}

	s.Targets.Fastly = map[string]settings.Fastly{"fastly:a": {Name: "fastly:a", ServiceID: "S", Token: "fastly-token", Keys: true, PurgesPerHour: 100_000,
		Endpoint: start("fastly:a", fastly.New("S", "fastly-token"))}}

	s.Targets.Cloudflare = map[string]settings.Cloudflare{"cloudflare:a": {Name: "cloudflare:a", ZoneID: "z", Token: "cloudflare-token", URLs: []string{"https://www.example.com"},
		Tags: true, FamiliesPerCall: 100, Plan: "free", Endpoint: start("cloudflare:a", cloudflare.New("z", "cloudflare-token", "www.example.com")) + "/client/v4"}}

	front := cloudfront.New("D", "AKIDEXAMPLE", "secret")
	finishing := time.NewTicker(50 * time.Millisecond) // what is in progress there takes a moment
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-finishing.C:
				front.Finish()
			case <-done:
				return
			}
		}
	}()
	tb.Cleanup(func() { close(done); <-ended; finishing.Stop() })
	s.Targets.CloudFront = map[string]settings.CloudFront{"cloudfront:a": {Name: "cloudfront:a", DistributionID: "D", AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret",
		Endpoint: start("cloudfront:a", front)}}

	edge := akamai.Start(tb)
	edge.Tokens = 1 << 30
	a := edge.Settings()
	a.Name = "akamai:a"
	s.Targets.Akamai, all[a.Name] = map[string]settings.Akamai{a.Name: a}, edge.Faults

	cloud := googlecdn.Start(tb)
	g := cloud.Settings(tb)
	g.Name = "googlecdn:a"
	s.Targets.GoogleCDN, all[g.Name] = map[string]settings.GoogleCDN{g.Name: g}, cloud.Faults

	receiver := webhook.Start(tb)
	w := receiver.Settings()
	w.Name = "webhook:a"
	s.Targets.Webhook, all[w.Name] = map[string]settings.WebhookTarget{w.Name: w}, receiver.Faults

	s.Targets.Replicate = map[string]settings.Replicate{"replicate:a": {Name: "replicate:a", Backend: "nfs:mirror", Concurrency: 4}}
	return all
}

// put stores rows and, unless they are expired, their bodies.
func put(tb testing.TB, s settings.Settings, store *metadata.Store, expired bool, names ...string) {
	tb.Helper()
	mtime := int64(1_700_000_000)
	if expired {
		mtime = -mtime
	}
	var rows []metadata.Row
	for _, name := range names {
		rows = append(rows, metadata.Row{Name: name, Trunk: name, Scope: "image", DataType: "image/png", Size: int64(len(name)), MTime: mtime, Expired: expired})
		if expired {
			continue
		}
		file := filepath.Join(s.NFS["nfs"].MountPointPath, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o666); err != nil {
			tb.Fatal(err)
		}
	}
	if err := store.Update(tb.Context(), func(tx *metadata.Tx) error { return tx.Upsert(rows...) }); err != nil {
		tb.Fatal(err)
	}
}
