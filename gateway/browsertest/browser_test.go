package browsertest

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/internal/testservice/fakegcs"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(fakegcs.LeaksBy))
}

func TestPageOfImages(t *testing.T) {
	keep := os.Getenv("DFS_TEST_BROWSER")
	if keep == "" {
		t.Skip("set DFS_TEST_BROWSER=1; it takes Debian's chromium")
	}
	varnish, port := front(t)
	html := page(func(name string) string {
		return fmt.Sprintf("http://127.0.0.1:%d/%s", port, strings.ReplaceAll(backends.EscapePath(name), "&", "&amp;"))
	})
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, html)
	}))
	defer site.Close()

	dom := browse(t, site.URL, "--dump-dom")
	widths := regexp.MustCompile(`data-width="(\d+)"`).FindAllSubmatch(dom, -1)
	if len(widths) != count {
		t.Fatalf("%d of %d images in\n%s", len(widths), count, dom)
	}
	for i, p := range pictures() {
		if got := string(widths[i][1]); got != fmt.Sprint(p.width) {
			t.Errorf("%s is %s wide, want %d", p.name, got, p.width)
		}
	}
	hits := varnish.Counter("MAIN.cache_hit")
	file := filepath.Join(t.TempDir(), "page.png")
	browse(t, site.URL, "--screenshot="+file)
	checkScreenshot(t, file)
	if more := varnish.Counter("MAIN.cache_hit") - hits; more < count {
		t.Errorf("Varnish answered %d of %d the second time", more, count)
	}
	if strings.HasSuffix(keep, ".png") {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(keep, data, 0o666)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// browse opens a page in a browser of its own and returns what it prints.
func browse(t *testing.T, url string, args ...string) []byte {
	t.Helper()
	args = append(args, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--user-data-dir="+t.TempDir(), "--window-size=1000,620", "--virtual-time-budget=30000", url)
	cmd := exec.CommandContext(t.Context(), testservice.Binary(t, "chromium"), args...)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, &errors)
	}
	return out
}

// checkScreenshot looks at the middle of each picture, and between them.
func checkScreenshot(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	at := func(x, y int) [3]int {
		r, g, b, _ := img.At(x, y).RGBA()
		return [3]int{int(r >> 8), int(g >> 8), int(b >> 8)}
	}
	for _, p := range pictures() {
		got, want := at(p.x+shown/2, p.y+shown/2), [3]int{int(p.color.R), int(p.color.G), int(p.color.B)}
		for i := range got {
			if d := got[i] - want[i]; d < -4 || d > 4 { // JPEG
				t.Errorf("%s shows as %v, want %v", p.name, got, want)
				break
			}
		}
		if beside := at(p.x+(shown+cell)/2, p.y+shown/2); beside != [3]int{255, 255, 255} {
			t.Errorf("beside %s: %v", p.name, beside)
		}
	}
}

// front starts a gateway over all three kinds of store, filled, and a Varnish
// with the example's configuration before it.
func front(t *testing.T) (*testservice.Varnish, int) {
	t.Helper()
	s := site(t)
	rows := gateway.NewRows(s)
	c, err := cluster.Open(t.Context(), s, cluster.WithListeners(rows))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fill(t, c)
	o, err := gateway.OptionsFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	o.Rows, o.AddHeader, o.BeforeBody = rows, server.AddHeader, server.HoldNext
	l, err := server.Listen(t.Context(), server.Options{Listen: []string{"127.0.0.1:0"}, AdminListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	ready := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	go func() { done <- l.Serve(ctx, l.Protect(gateway.New(c, o)), ready) }()
	t.Cleanup(func() { cancel(); <-done })

	port := testservice.FreePort(t)
	_, public, _ := strings.Cut(l.Addresses()[0].String(), ":")
	_, admin, _ := strings.Cut(l.AdminAddresses()[0].String(), ":")
	return testservice.StartVarnish(t, vcl(t, "8080", public, "8081", admin), port), port
}

// vcl copies the example, with other ports.
func vcl(t *testing.T, ports ...string) string {
	t.Helper()
	const from = "../../examples/varnish"
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "ezdfs.vcl")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(ports); i += 2 {
		old := []byte(`.port = "` + ports[i] + `"`)
		if !bytes.Contains(text, old) {
			t.Fatalf("%s has no %s", from, old)
		}
		text = bytes.ReplaceAll(text, old, []byte(`.port = "`+ports[i+1]+`"`))
	}
	if err := os.WriteFile(file, text, 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// site returns the settings of a cluster over a directory, versitygw and an
// emulator of Google's, with tables in SQLite.
func site(t *testing.T) settings.Settings {
	t.Helper()
	s3, google := testservice.StartVersityGW(t), fakegcs.Start(t, nil)
	google.Bucket("bucket")
	s := settings.Defaults()
	s.Root = t.TempDir()
	mount := filepath.Join(s.Root, "mount")
	if err := os.Mkdir(mount, 0o777); err != nil {
		t.Fatal(err)
	}
	s.DFS.DFSBackend, s.DFS.MountPointPath = "eZDFSFileHandlerDFSDispatcher", mount
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(s.Root, "cluster.db")
	s.NFS = map[string]settings.NFS{"nfs": {Name: "nfs", MountPointPath: mount}}
	s.S3 = map[string]settings.S3{"s3": {
		Name: "s3", Bucket: s3.Bucket(t), Endpoint: s3.Endpoint, UsePathStyleEndpoint: true, Region: s3.Region,
		AccessKeyID: s3.AccessKey, SecretAccessKey: settings.Secret(s3.SecretKey), PartSize: 5 << 20, Concurrency: 2,
	}}
	s.GCS = map[string]settings.GCS{"gcs": {Name: "gcs", Bucket: "bucket", Endpoint: google.URL}}
	s.Dispatch.PathBackends = []settings.Rule{
		{Prefix: "var/site/storage/images/s3/", Backend: "s3"}, {Prefix: "var/site/storage/images/gcs/", Backend: "gcs"},
	}
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	config.Create = true
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
