// Package acceptance runs the real dfsctl on the real services, over a
// settings tree as an installed site has it: the whole way of a few thousand
// files through a cluster and out of it again.
package acceptance

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"
	_ "github.com/go-sql-driver/mysql" // for sql.Open

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/internal/testservice/fakegcs"
)

var (
	mariaDB = testservice.NewMariaDB(testservice.MariaDBOptions{})
	dfsctl  string // the binary under test
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dfsctl")
	if err == nil {
		dfsctl = filepath.Join(dir, "dfsctl")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", dfsctl, "../../cmd/dfsctl").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(testservice.Main(m, mariaDB.Close, logging.Close, func() { os.RemoveAll(dir) }).Run())
}

// The three parts of the site, by the store its rules send them to. The last
// is where the default goes.
const (
	images    = "var/site/storage/images"
	originals = "var/site/storage/original"
	elsewhere = "var/site/storage/packages"
)

// site is an installed site with its services.
type site struct {
	root    string
	db      *sql.DB
	gateway *testservice.VersityGW
	bucket  string
	google  *fakegcs.Server
	sums    map[string][32]byte // of every local file, by path
	sizes   map[string]int64
	mtimes  map[string]int64
}

func newSite(t *testing.T) *site {
	t.Helper()
	mariaDB.Start(t)
	s := &site{
		root: t.TempDir(), gateway: testservice.StartVersityGW(t), google: fakegcs.Start(t, nil),
		sums: map[string][32]byte{}, sizes: map[string]int64{}, mtimes: map[string]int64{},
	}
	s.bucket = s.gateway.Bucket(t)
	s.google.Bucket("site-originals")
	name := mariaDB.Database(t)
	var err error
	if s.db, err = sql.Open("mysql", "root@unix("+mariaDB.Socket()+")/"+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	s.writeSettings(t, name)
	return s
}

// writeSettings writes what the deployment guide of the legacy extensions has
// an administrator write, and our own dfsgcs.ini.
func (s *site) writeSettings(t *testing.T, database string) {
	t.Helper()
	for name, text := range map[string]string{
		"site.ini": "[FileSettings]\nVarDir=var/site\nStorageDir=storage\nCacheDir=cache\n",
		"file.ini": "[ClusteringSettings]\nFileHandler=eZFSFileHandler\n",
		"override/file.ini.append.php": "<?php /* #?ini charset=\"utf-8\"?\r\n" +
			"[ClusteringSettings]\r\nFileHandler=eZDFSFileHandler\r\n\r\n" +
			"[eZDFSClusteringSettings]\r\nMountPointPath=mount\r\nDFSBackend=eZDFSFileHandlerDFSDispatcher\r\n" +
			"DBBackend=eZDFSFileHandlerMySQLiBackend\r\nDBSocket=" + mariaDB.Socket() + "\r\nDBName=" + database + "\r\nDBUser=root\r\nDBPassword=\r\n\r\n" +
			"[DispatchableDFS]\r\nDefaultBackend=eZDFSFileHandlerDFSBackend\r\n" +
			"PathBackends[" + images + "]=eZDFSFileHandlerDFSAmazon\r\nPathBackends[" + originals + "]=gcs\r\n*/ ?>\r\n",
		"override/dfsamazons3.ini.append.php": "<?php /* #?ini charset=\"utf-8\"?\n[BackendSettings]\nAccessKeyID=" + s.gateway.AccessKey +
			"\nSecretAccessKey=" + s.gateway.SecretKey + "\nBucket=" + s.bucket + "\nRegion=" + s.gateway.Region +
			"\nVersion=latest\nEndpoint=" + s.gateway.Endpoint + "\nUsePathStyleEndpoint=enabled\n*/ ?>\n",
		"override/dfsgcs.ini.append.php": "<?php /* #?ini charset=\"utf-8\"?\n[BackendSettings]\nBucket=site-originals\nEndpoint=" + s.google.URL + "\n*/ ?>\n",
	} {
		file := filepath.Join(s.root, "settings", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(s.root, "mount"), 0o777); err != nil {
		t.Fatal(err)
	}
}

// names are what files of real sites are called, and what trips a layer.
var names = []string{
	"%d.png", "Case-%d.png", "case-%d.png", "with space %d.jpg", "a+b %d.gif", "100%% %d", "%%2F-%d", "hash#%d", "q?x=%d&y", "ümläut-%d.png",
	"日本-%d.pdf", "quote'\"%d", "%d", strings.Repeat("n", 240) + "%d", "semi;%d,comma", "under_%d%%", "star*%d[x]", "e\u0301-%d", "\u00e9-%d",
}

// write writes a local file of so many random bytes.
func (s *site) write(t *testing.T, path string, size int64, random *rand.ChaCha8) {
	t.Helper()
	file := filepath.Join(s.root, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, hash), random, size); err != nil {
		t.Fatal(err)
	}
	mtime := 1_000_000_000 + int64(len(s.sums))
	if err := os.Chtimes(file, time.Unix(mtime, 0), time.Unix(mtime, 0)); err != nil {
		t.Fatal(err)
	}
	s.sums[path], s.sizes[path], s.mtimes[path] = [32]byte(hash.Sum(nil)), size, mtime
}

// populate writes 2,100 files from 0 bytes to some MB, a few of the most that
// the emulator of Google's takes, and where asked two of 1 GB.
func (s *site) populate(t *testing.T) {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	pick := rand.New(rand.NewPCG(1, 2))
	for i := range 2100 {
		part := []string{images, originals, elsewhere}[i%3]
		size := int64(0)
		if i%50 != 0 {
			size = int64(1) << pick.IntN(18)
			size += pick.Int64N(size)
		}
		s.write(t, fmt.Sprintf("%s/%d/"+names[i%len(names)], part, i/100, i), size, random)
	}
	large := map[string]int64{images + "/large.bin": 40 << 20, originals + "/large.bin": 60 << 20, elsewhere + "/large.bin": 70 << 20}
	if os.Getenv("DFS_TEST_LARGE") != "" {
		large[images+"/1GB.bin"], large[elsewhere+"/1GB.bin"] = 1<<30, 1<<30
	}
	for path, size := range large {
		s.write(t, path, size, random)
	}
}

// run runs dfsctl in the site root and returns what it printed.
func (s *site) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), dfsctl, args...)
	cmd.Dir = s.root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dfsctl %q: %v\n%s%s", args, err, out, &stderr)
	}
	return string(out)
}

func (s *site) sum(t *testing.T, file string) [32]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Error(err)
		return [32]byte{}
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		t.Error(err)
	}
	return [32]byte(hash.Sum(nil))
}

// left lists what the stores hold, staged bodies included.
func (s *site) left(t *testing.T) []string {
	t.Helper()
	var left []string
	for _, dir := range []string{filepath.Join(s.root, "mount"), s.gateway.Dir(s.bucket)} {
		filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				left = append(left, path)
			}
			return nil
		})
	}
	listed, err := s.google.Store.ListObjectsWithOptionsPaginated("site-originals", fakestorage.ListOptions{})
	if err != nil {
		t.Error(err)
	}
	for _, object := range listed.Objects {
		left = append(left, object.Name)
	}
	return left
}
