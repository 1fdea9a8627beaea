package testservice

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// StartNginx starts an nginx whose http block is the given file, until the end
// of the test, and waits until it listens on the port.
func StartNginx(tb testing.TB, config string, port int) *Process {
	tb.Helper()
	dir := tb.TempDir()
	// The file includes fastcgi_params by its name, as Debian's do.
	if err := os.Symlink("/etc/nginx/fastcgi_params", filepath.Join(dir, "fastcgi_params")); err != nil {
		tb.Fatal(err)
	}
	// One process: the workers of a master that is killed would go on.
	main := fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/pid;
error_log stderr warn;
events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	include %[2]s;
}
`, dir, config)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(main), 0o666); err != nil {
		tb.Fatal(err)
	}
	return Start(tb, exec.Command(Binary(tb, "nginx"), "-c", file, "-e", "stderr", "-p", dir), WaitPort(port))
}
