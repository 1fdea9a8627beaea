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
	headers     func(etag string) []string
}

const (
	small = "/var/site/storage/nfs/10k"
	large = "/var/site/storage/nfs/5m"
	onS3  = "/var/site/storage/s3/5m"
)

// rivals have the files of NFS alone.
var loads = []load{
	{"10 KB", small, 32, nil},
	{"10 KB, 304", small, 32, func(etag string) []string { return []string{"If-None-Match: " + etag} }},
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
	fmt.Printf("%s, %d cores; %v a line, best of %d\n\n", runtime.Version(), runtime.NumCPU(), duration(), rounds)
	fmt.Println("| request | server | requests/s | ÷ nginx | MB/s | p99 | processor time each | ÷ nginx |")
	fmt.Println("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, l := range loads {
		table(t, wrk, l, servers)
	}
}

// rounds is how often each server has its turn; what else the machine did in
// one of them does not count.
const rounds = 3

func duration() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("DFS_BENCH_TIME")); err == nil {
		return d
	}
	return 5 * time.Second
}

// table measures all servers in turns, so that what the machine does meanwhile
// strikes them alike.
func table(t *testing.T, wrk string, l load, servers []*server) {
	best := make([]result, len(servers))
	for range rounds {
		for i, s := range servers {
			if l.path == onS3 && !s.gateway {
				continue
			}
			if r := measure(t, wrk, l, s); r.perSecond > best[i].perSecond {
				best[i] = r
			}
		}
	}
	for i, r := range best {
		if r.perSecond == 0 {
			continue
		}
		ratio, cpu := "", ""
		if first := best[0]; first.perSecond > 0 {
			ratio = fmt.Sprintf("%.2f", r.perSecond/first.perSecond)
			cpu = fmt.Sprintf("%.2f", float64(r.cpu)/float64(first.cpu))
		}
		fmt.Printf("| %s | %s | %.0f | %s | %.0f | %v | %v | %s |\n", l.name, servers[i].name, r.perSecond, ratio,
			r.bytesPerSecond/1e6, r.p99, r.cpu.Round(100*time.Nanosecond), cpu)
	}
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
