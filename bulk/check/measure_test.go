package check_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// TestMeasure is no test but the measurement that the README quotes: dfsctl
// check of so many rows and bodies on a directory and in versitygw, against
// what the legacy does for each file and against rclone.
//
//	TMPDIR=/dev/shm DFS_BENCH=1 DFS_BENCH_FILES=1000000 DFS_TEST_SERVICES=required \
//		go test -count 1 -run TestMeasure -v -timeout 2h ./bulk/check
//
// DFS_BENCH_FILES sets the number of files, a million of which want some 10 GB of
// memory. -run TestMeasure/nfs leaves the bucket out.
func TestMeasure(t *testing.T) {
	files := testservice.MeasuredFiles(t, 100_000)
	binary := testservice.Dfsctl(t)
	maria := testservice.NewMariaDB(testservice.MariaDBOptions{Args: []string{
		"--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=1G", "--skip-innodb-doublewrite"}})
	defer maria.Close()
	maria.Start(t)
	for _, store := range []string{"nfs", "s3"} {
		t.Run(store, func(t *testing.T) { measure(t, binary, maria, files, store == "s3") })
	}
}

// imageName is a path as those of a real site: ten sizes of an image beside
// each other.
func imageName(i int) string {
	sizes := [...]string{"original", "large", "medium", "small", "tiny", "logo", "rss", "listitem", "full", "header"}
	d := i / len(sizes)
	return fmt.Sprintf("var/site/storage/images/%d/%d/%d/%d-1-eng-GB/picture_%s.jpg", d%10, d/10%10, d/100%10, d, sizes[i%len(sizes)])
}

// measured is one site.
type measured struct {
	*testing.T
	root, tree string // of the bodies
	db         *sql.DB
	gateway    *testservice.VersityGW
	bucket     string
}

func measure(t *testing.T, binary string, maria *testservice.MariaDB, files int, bucket bool) {
	m := &measured{T: t, root: t.TempDir()}
	m.tree = filepath.Join(m.root, "mount")
	database := maria.Database(t)
	file := fmt.Sprintf("[eZDFSClusteringSettings]\nMountPointPath=mount\nDBSocket=%s\nDBName=%s\nDBUser=root\nDBPassword=\n",
		maria.Socket(), database)
	if bucket {
		m.gateway = testservice.StartVersityGW(t)
		m.bucket = m.gateway.Bucket(t)
		m.tree = m.gateway.Dir(m.bucket)
		file += "DFSBackend=eZDFSFileHandlerDFSAmazon\n"
		m.write("settings/override/dfsamazons3.ini", fmt.Sprintf("[BackendSettings]\nBucket=%s\nEndpoint=%s\nUsePathStyleEndpoint=enabled\nAccessKeyID=%s\nSecretAccessKey=%s\nRegion=%s\n",
			m.bucket, m.gateway.Endpoint, m.gateway.AccessKey, m.gateway.SecretKey, m.gateway.Region))
	}
	m.write("mount/var/.keep", "")
	os.Remove(filepath.Join(m.root, "mount/var/.keep"))
	m.write("settings/override/file.ini", file)
	m.fill(maria, database, files)

	for range 3 {
		rate, peak := m.check(binary)
		t.Logf("dfsctl check: %.0f files/s, peak %d MB", rate, peak>>20)
	}
	t.Logf("legacy loop: %.0f files/s", m.legacy(min(files, 3000)))
	m.rclone(files)
}

func (m *measured) write(path, text string) {
	m.Helper()
	path = filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		m.Fatal(err)
	}
}

// fill makes rows and bodies.
func (m *measured) fill(maria *testservice.MariaDB, database string, files int) {
	m.Helper()
	store, err := metadata.Open(m.Context(), metadata.Config{Engine: metadata.MySQL, Socket: maria.Socket(), Name: database, User: "root",
		Layout: metadata.Layout{VarDir: "var", CacheDir: "cache", StorageDir: "storage", CacheTable: "ezdfsfile_cache"}})
	if err != nil {
		m.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateSchema(m.Context()); err != nil {
		m.Fatal(err)
	}
	at := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	var group errgroup.Group
	group.SetLimit(4)
	const chunk = 2000
	for first := 0; first < files; first += chunk {
		group.Go(func() error {
			var rows []metadata.Row
			for i := first; i < min(first+chunk, files); i++ {
				name := imageName(i)
				file := filepath.Join(m.tree, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
					return err
				}
				if err := os.WriteFile(file, []byte("body"), 0o666); err != nil {
					return err
				}
				if err := os.Chtimes(file, at, at); err != nil {
					return err
				}
				rows = append(rows, metadata.Row{Name: name, Trunk: name, DataType: "image/jpeg", Scope: "image", Size: 4, MTime: at.Unix()})
			}
			return store.Update(m.Context(), func(tx *metadata.Tx) error { return tx.Upsert(rows...) })
		})
	}
	if err := group.Wait(); err != nil {
		m.Fatal(err)
	}
	if m.db, err = sql.Open("mysql", "root@unix("+maria.Socket()+")/"+database); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { m.db.Close() })
}

// check runs the binary and returns its rate and the most memory it had.
func (m *measured) check(binary string) (rate float64, peak int64) {
	m.Helper()
	cmd := exec.Command(binary, "check", "--root", m.root, "--json", "--temp", m.root)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	ctx, cancel := context.WithCancel(m.Context())
	peaks := make(chan int64)
	go func() { peaks <- watchMemory(ctx, cmd.Process.Pid) }()
	err := cmd.Wait()
	cancel()
	peak = <-peaks
	if err != nil {
		m.Fatalf("%v\n%.2000s%s", err, out.String(), errs.String())
	}
	var document struct {
		Summary struct {
			Rate float64 `json:"files_per_second"`
		}
	}
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		m.Fatalf("%v: %.2000s", err, out.String())
	}
	return document.Summary.Rate, peak
}

// watchMemory returns the peak of a process's resident memory.
func watchMemory(ctx context.Context, pid int) (peak int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range bytes.Lines(status) {
			var kilobytes int64
			if n, _ := fmt.Sscanf(string(line), "VmHWM: %d kB", &kilobytes); n == 1 {
				peak = max(peak, kilobytes<<10)
			}
		}
		select {
		case <-ctx.Done():
			return peak
		case <-tick.C:
		}
	}
}

// legacy does what dfscleanup does for each file, one after the other: a
// query, a look at the body and a millisecond of sleep.
func (m *measured) legacy(files int) float64 {
	m.Helper()
	start := time.Now()
	for i := range files {
		name := imageName(i)
		var size int64
		if err := m.db.QueryRow("SELECT size FROM ezdfsfile WHERE name_hash = ?", metadata.Hash(name)).Scan(&size); err != nil {
			m.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(m.tree, name)); err != nil {
			m.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	return float64(files) / time.Since(start).Seconds()
}

// rclone compares the sizes of the bodies with those of the same tree, the
// best case of a copy.
func (m *measured) rclone(files int) {
	m.Helper()
	binary, err := exec.LookPath("rclone")
	if err != nil {
		m.Log("rclone is not installed")
		return
	}
	target := m.tree
	if m.gateway != nil {
		target = fmt.Sprintf(":s3,provider=Other,endpoint=%q,access_key_id=%s,secret_access_key=%s,list_version=2:%s",
			m.gateway.Endpoint, m.gateway.AccessKey, m.gateway.SecretKey, m.bucket)
	}
	cmd := exec.Command(binary, "check", "--size-only", "--config", "/dev/null", "--fast-list", m.tree, target)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.Env = append(os.Environ(), "AWS_CA_BUNDLE=") // which rclone cannot use
	start := time.Now()
	if err := cmd.Start(); err != nil {
		m.Fatal(err)
	}
	ctx, cancel := context.WithCancel(m.Context())
	peaks := make(chan int64)
	go func() { peaks <- watchMemory(ctx, cmd.Process.Pid) }()
	err = cmd.Wait()
	took := time.Since(start)
	cancel()
	peak := <-peaks
	if err != nil {
		lines := bufio.NewScanner(&errs)
		for range 10 {
			if lines.Scan() {
				m.Log(lines.Text())
			}
		}
		m.Fatalf("rclone: %v", err)
	}
	m.Logf("rclone check --size-only: %.0f files/s, peak %d MB", float64(files)/took.Seconds(), peak>>20)
}
