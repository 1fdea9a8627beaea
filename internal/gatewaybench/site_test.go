package gatewaybench

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"example.com/ezdfs/internal/testservice"
)

var mariaDB = testservice.NewMariaDB(testservice.MariaDBOptions{})

// site is a cluster on MariaDB, a directory and versitygw, with the files of
// all loads.
type site struct {
	root, mount string
	dfsctl      string
}

// server is what is measured.
type server struct {
	name, address string
	gateway       bool
	process       *testservice.Process
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{root: t.TempDir()}
	s.mount, s.dfsctl = filepath.Join(s.root, "mount"), filepath.Join(s.root, "dfsctl")
	if out, err := exec.Command("go", "build", "-o", s.dfsctl, "example.com/ezdfs/cmd/dfsctl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s3, database := testservice.StartVersityGW(t), mariaDB.Database(t)
	s.write(t, "settings/file.ini", fmt.Sprintf(`[eZDFSClusteringSettings]
MountPointPath=mount
DFSBackend=eZDFSFileHandlerDFSDispatcher
DBBackend=MySQL
DBSocket=%s
DBName=%s
DBUser=root
[DispatchableDFS]
PathBackends[var/site/storage/s3/]=eZDFSFileHandlerDFSAmazon
`, mariaDB.Socket(), database))
	s.write(t, "settings/dfsamazons3.ini", fmt.Sprintf(`[BackendSettings]
Bucket=%s
Endpoint=%s
UsePathStyleEndpoint=enabled
AccessKeyID=%s
SecretAccessKey=%s
`, s3.Bucket(t), s3.Endpoint, s3.AccessKey, s3.SecretKey))
	s.write(t, "mount/.keep", "")
	s.run(t, "schema", "create")
	for path, size := range map[string]int{small: 10 << 10, large: 5 << 20, onS3: 5 << 20} {
		file := filepath.Join(t.TempDir(), "body")
		if err := os.WriteFile(file, bytes.Repeat([]byte("0123456789abcdef"), size/16), 0o666); err != nil {
			t.Fatal(err)
		}
		s.run(t, "put", file, path[1:], "--scope", "image", "--datatype", "image/png", "--mtime", "1700000000")
	}
	return s
}

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func (s *site) run(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command(s.dfsctl, append(args, "--root", s.root)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// gateway is dfsctl serve, as it comes.
func (s *site) gateway(t *testing.T, name string, env ...string) *server {
	address := fmt.Sprintf("127.0.0.1:%d", testservice.FreePort(t))
	cmd := exec.Command(s.dfsctl, "serve", "--root", s.root, "--listen", address, "--admin-listen", "none")
	cmd.Env = append(os.Environ(), env...)
	server := s.start(t, name, address, cmd)
	server.gateway = true
	return server
}

// nginx serves the mount with what it has for static files, a process a core.
func (s *site) nginx(t *testing.T) *server {
	address := fmt.Sprintf("127.0.0.1:%d", testservice.FreePort(t))
	s.write(t, "nginx/nginx.conf", fmt.Sprintf(`daemon off;
user root;
worker_processes auto;
pid nginx.pid;
events { worker_connections 4096; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000000;
	default_type image/png;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	server { listen %s; root %s; }
}
`, address, s.mount))
	dir := filepath.Join(s.root, "nginx")
	server := s.start(t, "nginx", address, exec.Command(testservice.Binary(t, "nginx"), "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr", "-p", dir))
	t.Cleanup(server.process.Stop) // which ends the workers too
	return server
}

func (s *site) start(t *testing.T, name, address string, cmd *exec.Cmd) *server {
	t.Helper()
	process := testservice.Start(t, cmd, func() error {
		client := &http.Client{Timeout: 10 * time.Second}
		defer client.CloseIdleConnections()
		r, err := client.Get("http://" + address + small)
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", name, r.Status)
		}
		return nil
	})
	return &server{name: name, address: address, process: process}
}
