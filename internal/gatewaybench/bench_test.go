package gatewaybench

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/internal/testservice"
)

// role makes this test binary a server for the one that measures.
const role = "DFS_BENCH_FILESERVER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(role); dir != "" {
		fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Getenv(role+"_ADDRESS"), http.FileServer(http.Dir(dir))))
		os.Exit(1)
	}
	os.Exit(testservice.Main(m, mariaDB.Close).Run())
}

// load is one kind of request.
type load struct {
	name        string
	path        string
	connections int
	headers     []string // of the request
}

const (
	small = "/var/site/storage/nfs/10k"
	large = "/var/site/storage/nfs/5m"
	onS3  = "/var/site/storage/s3/5m"
)

// rivals have the files of NFS alone.
var loads = []load{
	{"10 KB", small, 32, nil},
	{"10 KB, 304", small, 32, []string{"If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT"}},
	{"5 MB", large, 8, nil},
	{"5 MB, S3", onS3, 8, nil},
}

// TestTable measures and prints.
func TestTable(t *testing.T) {
	if os.Getenv("DFS_BENCH") == "" {
		t.Skip("set DFS_BENCH=1, or run make bench-gateway")
	}
	wrk := testservice.Binary(t, "wrk")
	site := newSite(t)
	servers := []*server{
		site.nginx(t), site.gateway(t, "gateway"), site.gateway(t, "gateway, MetadataTTL=0", "DFS_GATEWAY_METADATA_TTL=0"),
		site.fileServer(t), site.caddy(t),
	}
	servers = slices.DeleteFunc(servers, func(s *server) bool { return s == nil })
	fmt.Printf("%s, %d cores; medians of %[4]d rounds of %[3]v\n\n", runtime.Version(), runtime.NumCPU(), duration(), rounds)
	fmt.Println("| request | server | requests/s | ÷ nginx | MB/s | p99 | processor time each | ÷ nginx |")
	fmt.Println("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, l := range loads {
		table(t, wrk, l, servers)
	}
}

// rounds is how often each server has its turn.
const rounds = 7

func duration() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("DFS_BENCH_TIME")); err == nil {
		return d
	}
	return 2 * time.Second
}

// table measures all servers in turns and prints the medians of the rounds. A
// ratio is that of two neighbours in one round, so that what else the machine
// does strikes both.
func table(t *testing.T, wrk string, l load, servers []*server) {
	results := make([][]result, len(servers))
	for range rounds {
		for i, s := range servers {
			if l.path != onS3 || s.gateway {
				results[i] = append(results[i], measure(t, wrk, l, s))
			}
		}
	}
	for i, list := range results {
		if len(list) == 0 {
			continue
		}
		ratio, cpu := "", ""
		if first := results[0]; len(first) > 0 {
			ratio = fmt.Sprintf("%.2f", median(rounds, func(n int) float64 { return list[n].perSecond / first[n].perSecond }))
			cpu = fmt.Sprintf("%.2f", median(rounds, func(n int) float64 { return list[n].cpu / first[n].cpu }))
		}
		of := func(value func(result) float64) float64 {
			return median(rounds, func(n int) float64 { return value(list[n]) })
		}
		fmt.Printf("| %s | %s | %.0f | %s | %.0f | %.1f ms | %.1f µs | %s |\n", l.name, servers[i].name,
			of(func(r result) float64 { return r.perSecond }), ratio, of(func(r result) float64 { return r.bytesPerSecond / 1e6 }),
			of(func(r result) float64 { return r.p99 * 1e3 }), of(func(r result) float64 { return r.cpu * 1e6 }), cpu)
	}
}

// median returns the one in the middle of n values.
func median(n int, value func(int) float64) float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = value(i)
	}
	slices.Sort(values)
	return values[n/2]
}

// fileServer is net/http's, in a process of its own.
func (s *site) fileServer(t *testing.T) *server {
	address := fmt.Sprintf("127.0.0.1:%d", testservice.FreePort(t))
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"="+s.mount, role+"_ADDRESS="+address)
	return s.start(t, "http.FileServer", address, cmd)
}

// caddy is Caddy's file server, if it is installed.
func (s *site) caddy(t *testing.T) *server {
	binary, err := exec.LookPath("caddy")
	if err != nil {
		gopath, _ := exec.Command("go", "env", "GOPATH").Output()
		if binary = filepath.Join(strings.TrimSpace(string(gopath)), "bin", "caddy"); !exists(binary) {
			t.Log("caddy is not installed: go install github.com/caddyserver/caddy/v2/cmd/caddy@v2.10.2")
			return nil
		}
	}
	address := fmt.Sprintf("127.0.0.1:%d", testservice.FreePort(t))
	cmd := exec.Command(binary, "file-server", "--root", s.mount, "--listen", address)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	return s.start(t, "Caddy", address, cmd)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
