package importer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/ezdb"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/internal/testservice/oldcluster"
	"example.com/ezdfs/settings"
)

// TestTable measures imports by the real binary, each beside its peer: a bare
// listing of the same store, or a bare read of the old cluster's chunks.
//
//	TMPDIR=/dev/shm DFS_BENCH=1 DFS_TEST_SERVICES=required go test -count 1 -run Table -timeout 30m -v ./bulk/importer
//
// DFS_BENCH_FILES sets the number of files.
func TestTable(t *testing.T) {
	b := &bencher{files: testservice.MeasuredFiles(t, 100_000), program: testservice.Dfsctl(t)}
	s := fullSite(t)
	s.Dispatch.PathBackends = []settings.Rule{{Prefix: onS3, Backend: "s3"}}
	emptyTables(t, &s, true)
	b.fill(t, s)
	for _, onMariaDB := range []bool{true, false} {
		engine := map[bool]string{true: "MariaDB", false: "SQLite"}[onMariaDB]
		for _, store := range [][2]string{{"tree", "nfs"}, {"bucket", "s3"}} {
			listing := b.list(t, s, store[1])
			for _, flags := range [][]string{nil, {"--trust-listing", "--grace", "0s"}} {
				emptyTables(t, &s, onMariaDB)
				writeSettings(t, s)
				b.measure(t, s, fmt.Sprintf("%s, %s %v", engine, store[0], flags), listing, append([]string{"import", store[0], store[1]}, flags...)...)
			}
			b.measure(t, s, engine+", "+store[0]+", all there", listing, "import", store[0], store[1])
		}
	}
	b.ezdb(t)
}

type bencher struct {
	files   int
	program string
}

// fill stores files of 1 KB, half of them on each store.
func (b *bencher) fill(t *testing.T, s settings.Settings) {
	c := open(t, s)
	body := strings.Repeat("x", 1000)
	source := func(yield func(cluster.Item, error) bool) {
		for i := range b.files {
			for _, prefix := range []string{"var/site/storage/images/", onS3} {
				item := cluster.Item{Path: fmt.Sprintf("%s%d/%d.png", prefix, i/500, i), Options: cluster.StoreOptions{DataType: "image/png", Size: 1000}}
				item.Open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
				if !yield(item, nil) {
					return
				}
			}
		}
	}
	start := time.Now()
	err := bulk.Batches(t.Context(), bulk.NewPool(bulk.Limits{}, nil), 100, source, func(ctx context.Context, items []cluster.Item) (err error) {
		for _, result := range c.StoreFiles(ctx, items) {
			err = errors.Join(err, result.Err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("stored 2 × %d files of 1 KB in %v", b.files, time.Since(start).Round(time.Second))
}

// list lists a backend and returns how long that took.
func (b *bencher) list(t *testing.T, s settings.Settings, name string) time.Duration {
	t.Helper()
	c := open(t, s)
	for _, backend := range c.Stores().Backends() {
		if backend.Name() == name {
			n, start := 0, time.Now()
			for _, err := range backend.List(t.Context(), "", "") {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != b.files {
				t.Fatalf("%d bodies on %s", n, name)
			}
			return time.Since(start)
		}
	}
	t.Fatal("no backend", name)
	return 0
}

// measure runs a command.
func (b *bencher) measure(t *testing.T, s settings.Settings, what string, peer time.Duration, args ...string) {
	t.Helper()
	cmd := exec.Command(b.program, append([]string{"--root", s.Root, "--no-progress"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peak := make(chan int64, 1)
	go func() { peak <- highWater(cmd.Process.Pid) }()
	err := cmd.Wait()
	took := time.Since(start)
	if err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	t.Logf("%-50s %6.2f s  %7.0f files/s  peak %3d MB  cpu %5.1f s  bare listing %5.2f s  ratio %.1f  | %s", what, took.Seconds(),
		float64(b.files)/took.Seconds(), <-peak/1024, cmd.ProcessState.UserTime().Seconds()+cmd.ProcessState.SystemTime().Seconds(),
		peer.Seconds(), took.Seconds()/peer.Seconds(), strings.TrimSpace(strings.Split(out.String(), "\n")[0]))
}

// highWater follows VmHWM of a process, in KB, until it has ended. (The
// kernel's own account of a child counts what the parent had when it forked.)
func highWater(pid int) (peak int64) {
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, found := strings.Cut(string(status), "VmHWM:")
		if err != nil || !found {
			return peak
		}
		var kb int64
		fmt.Sscan(rest, &kb)
		peak = max(peak, kb)
		time.Sleep(10 * time.Millisecond)
	}
}

// writeSettings writes the settings of a site as the binary reads them.
func writeSettings(t *testing.T, s settings.Settings) {
	t.Helper()
	files := map[string]string{
		"file.ini": fmt.Sprintf("[eZDFSClusteringSettings]\nMountPointPath=%s\nDBBackend=%s\nDBSocket=%s\nDBName=%s\nDBUser=%s\nDFSBackend=eZDFSFileHandlerDFSDispatcher\n"+
			"[DispatchableDFS]\nDefaultBackend=nfs\n", s.DFS.MountPointPath, s.DFS.DBBackend, s.DFS.DBSocket, s.DFS.DBName, s.DFS.DBUser),
	}
	if bucket, ok := s.S3["s3"]; ok {
		files["file.ini"] += "PathBackends[" + onS3 + "]=s3\n"
		files["dfsamazons3.ini"] = fmt.Sprintf("[BackendSettings]\nBucket=%s\nRegion=%s\nEndpoint=%s\nUsePathStyleEndpoint=enabled\nAccessKeyID=%s\nSecretAccessKey=%s\n",
			bucket.Bucket, bucket.Region, bucket.Endpoint, bucket.AccessKeyID, bucket.SecretAccessKey.Reveal())
	}
	for name, text := range files {
		file := filepath.Join(s.Root, "settings", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
}

// ezdb imports an older cluster of small and large files.
func (b *bencher) ezdb(t *testing.T) {
	s := nfsSite(t)
	source, tables := oldCluster(t, oldcluster.Since41)
	var bytes int64
	put := func(name string, size int) {
		tables.Put(t, oldcluster.File{Name: name, DataType: "image/png", Scope: "image", MTime: 1_200_000_000, Body: strings.Repeat("x", size)})
		bytes += int64(size)
	}
	for i := range max(b.files/20, 1) {
		put(fmt.Sprintf("var/site/storage/images/%d/%d.png", i/100, i), 20_000)
	}
	for i := range 10 {
		put(fmt.Sprint("var/site/storage/original/", i), 40<<20)
	}
	n, read := b.readAll(t, source)
	if read == 0 {
		t.Fatal("nothing was read")
	}
	b.files = n
	for _, onMariaDB := range []bool{true, false} {
		emptyTables(t, &s, onMariaDB)
		writeSettings(t, s)
		start := time.Now()
		b.measure(t, s, fmt.Sprintf("ezdb to NFS, rows on MariaDB: %v", onMariaDB), read, "import", "ezdb", "--dsn", tables.DSN)
		t.Logf("%d MB: import %.0f MB/s, bare read of the chunks %.0f MB/s", bytes/1e6, float64(bytes)/1e6/time.Since(start).Seconds(), float64(bytes)/1e6/read.Seconds())
		if err := os.RemoveAll(filepath.Join(s.DFS.MountPointPath, "var")); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll reads all contents of an older cluster, one after the other.
func (b *bencher) readAll(t *testing.T, source *ezdb.Source) (n int, took time.Duration) {
	t.Helper()
	start := time.Now()
	for file, err := range source.Files(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		body, err := source.OpenFile(t.Context(), file)
		if err == nil {
			_, err = io.Copy(io.Discard, body)
			err = errors.Join(err, body.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n, time.Since(start)
}
