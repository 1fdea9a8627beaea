package acceptance

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// logging is a server with a binary log, which tells what PHP changes.
var logging = testservice.NewMariaDB(testservice.MariaDBOptions{Binlog: true})

// page are the images of a page, in two directories.
const pageImages = 200

func pageImage(n int) string {
	return fmt.Sprintf("var/site/storage/images/%c/photo %d.png", "ab"[n%2], n)
}

// pushSite is a site with a real Varnish before the real dfsctl serve.
type pushSite struct {
	root, front string // front is Varnish's URL
	db          *sql.DB
	client      *http.Client
}

// newPushSite starts everything; the images are stored and cached.
func newPushSite(t *testing.T) *pushSite {
	t.Helper()
	logging.Start(t)
	s := &pushSite{root: t.TempDir(), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
	t.Cleanup(s.client.CloseIdleConnections)
	name := logging.Database(t)
	var err error
	if s.db, err = sql.Open("mysql", "root@unix("+logging.Socket()+")/"+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	public, admin, port := testservice.FreePort(t), testservice.FreePort(t), testservice.FreePort(t)
	s.front = fmt.Sprintf("http://127.0.0.1:%d", port)
	s.write(t, "settings/file.ini", fmt.Sprintf("[ClusteringSettings]\nFileHandler=eZDFSFileHandler\n"+
		"[eZDFSClusteringSettings]\nMountPointPath=mount\nDBSocket=%s\nDBName=%s\nDBUser=root\n"+
		"[Gateway]\nListen=127.0.0.1:%d\nAdminListen=127.0.0.1:%d\nTrustedProxies[]=127.0.0.1\n", logging.Socket(), name, public, admin))
	s.write(t, "settings/cdn.ini", "[CDN]\nRules[var/site/storage/]=varnish:front\n[varnish:front]\nServers[]="+s.front+"\n")
	if err := os.Mkdir(filepath.Join(s.root, "mount"), 0o777); err != nil {
		t.Fatal(err)
	}
	s.dfsctl(t, "", "schema", "create")
	for n := range pageImages {
		s.php(t, pageImage(n), fmt.Sprintf("%s, first", pageImage(n)))
	}
	s.serve(t, public)
	testservice.StartVarnish(t, s.vcl(t, public, admin), port)
	s.cache(t)
	return s
}

func (s *pushSite) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// dfsctl runs a command of the site and returns what it prints.
func (s *pushSite) dfsctl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(dfsctl, append(args, "--root", s.root)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("dfsctl %q: %v\n%s", args, err, stderr.Bytes())
	}
	return string(out)
}

// serve runs dfsctl serve, which delivers too, until the end of the test.
func (s *pushSite) serve(t *testing.T, port int) {
	t.Helper()
	cmd := exec.Command(dfsctl, "serve", "--root", s.root)
	cmd.Stderr = os.Stderr
	process := testservice.Start(t, cmd, testservice.WaitPort(port))
	t.Cleanup(process.Stop)
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var status struct {
			Feed struct{ Owner, Source, Position string }
		}
		if err := json.Unmarshal([]byte(s.dfsctl(t, "", "cdn", "status", "--json")), &status); err != nil {
			t.Fatal(err)
		}
		if status.Feed.Owner != "" && status.Feed.Position != "" {
			if status.Feed.Source != "binlog" {
				t.Fatalf("changes are read from the %s", status.Feed.Source)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal("nobody follows the changes")
		}
	}
}

// vcl copies the example's configuration, with the ports of this site.
func (s *pushSite) vcl(t *testing.T, public, admin int) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/varnish")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "ezdfs.vcl")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(`.port = "8080"`, fmt.Sprintf(`.port = "%d"`, public), `.port = "8081"`, fmt.Sprintf(`.port = "%d"`, admin)).Replace(string(text))
	if err := os.WriteFile(file, []byte(changed), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// get asks Varnish for a file.
func (s *pushSite) get(t *testing.T, name string) (body string, hit bool) {
	t.Helper()
	response, err := s.client.Get(s.front + "/" + strings.ReplaceAll(name, " ", "%20"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", name, response.Status, err)
	}
	return string(data), response.Header.Get("X-Cache") == "hit"
}

// cache has Varnish keep all images.
func (s *pushSite) cache(t *testing.T) {
	t.Helper()
	for n := range pageImages {
		for hit := false; !hit; _, hit = s.get(t, pageImage(n)) {
		}
	}
}

// php stores a file as PHP's cluster handler does: a file on the mount, renamed
// into place, and a row, in one transaction. It returns when that was
// committed, at the earliest.
func (s *pushSite) php(t *testing.T, name, body string) time.Time {
	t.Helper()
	tx, err := s.db.BeginTx(context.WithoutCancel(t.Context()), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	_, err = tx.Exec("INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime, expired) VALUES (?, ?, ?, 'image/png', 'image', ?, ?, 0)"+
		" ON DUPLICATE KEY UPDATE size = VALUES(size), mtime = VALUES(mtime), expired = 0", name, name, metadata.Hash(name), len(body), time.Now().Unix())
	if err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join("mount", filepath.Dir(name), "ezfile-tmp."+metadata.Hash(name))
	s.write(t, temp, body)
	if err := os.Rename(filepath.Join(s.root, temp), filepath.Join(s.root, "mount", name)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return began
}

// put stores a file by dfsctl put, and returns when that began.
func (s *pushSite) put(t *testing.T, name, body string) time.Time {
	began := time.Now()
	s.dfsctl(t, body, "put", "--scope", "image", "--datatype", "image/png", "-", name)
	return began
}

// until asks for a file until it has new contents.
func (s *pushSite) until(t *testing.T, name, want string) time.Time {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		body, _ := s.get(t, name)
		switch {
		case body == want:
			return time.Now()
		case time.Now().After(end):
			t.Errorf("%s is still %q", name, body)
			return time.Now()
		}
	}
}

// TestPush: what dfsctl or PHP changes is served anew through Varnish, and
// nothing else is fetched again. With DFS_TEST_LONG=1 it changes more, and holds
// the time that takes against a second.
func TestPush(t *testing.T) {
	s := newPushSite(t)
	changes, long := 20, os.Getenv("DFS_TEST_LONG") != ""
	if long {
		changes = 1000
	}
	lags := map[string][]time.Duration{}
	for n := range changes {
		how, change := "dfsctl put", s.put
		if n%2 == 1 {
			how, change = "SQL and a file", s.php
		}
		// Half of the page is changed in turn, the other half is not. Varnish is
		// told of a change a second time after a moment, so that what was changed
		// just now is asked for again.
		name := pageImage(n % (pageImages / 2))
		for hit := false; !hit; _, hit = s.get(t, name) {
		}
		body := fmt.Sprintf("%s, change %d of %s, %0*d", name, n, how, n%50, 0)
		began := change(t, name, body)
		lags[how] = append(lags[how], s.until(t, name, body).Sub(began))
	}
	for how, list := range lags {
		slices.Sort(list)
		at := func(q float64) time.Duration { return list[int(q*float64(len(list)-1))].Round(time.Millisecond) }
		t.Logf("%4d changes by %-15s served through Varnish after p50 %v, p90 %v, p99 %v, max %v", len(list), how, at(.5), at(.9), at(.99), at(1))
		if long && at(.99) > time.Second {
			t.Errorf("%s: p99 %v", how, at(.99))
		}
	}
	for n := pageImages / 2; n < pageImages; n++ {
		if body, hit := s.get(t, pageImage(n)); !hit || body != pageImage(n)+", first" {
			t.Errorf("%s was not changed: %q, a hit: %v", pageImage(n), body, hit)
		}
	}
	s.expire(t)
}

// expire expires a prefix: it is banned, and it alone.
func (s *pushSite) expire(t *testing.T) {
	t.Helper()
	s.cache(t)
	const expired = pageImages / 2 // an even number
	s.dfsctl(t, "", "expire", "--prefix", "var/site/storage/images/a/")
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		response, err := s.client.Get(s.front + "/" + strings.ReplaceAll(pageImage(expired), " ", "%20"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusNotFound {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("an expired file is still there: %s", response.Status)
		}
	}
	for n := expired + 1; n < pageImages; n += 2 {
		if _, hit := s.get(t, pageImage(n)); !hit {
			t.Errorf("%s was dropped too", pageImage(n))
		}
	}
}
