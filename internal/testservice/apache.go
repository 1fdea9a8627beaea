package testservice

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// StartApache starts an Apache with some modules of Debian's and the virtual
// hosts of the given file until the end of the test, and waits until it
// listens on the port.
func StartApache(tb testing.TB, config string, port int, modules ...string) *Process {
	tb.Helper()
	dir := tb.TempDir()
	var main strings.Builder
	fmt.Fprintf(&main, "ServerRoot %[1]s\nPidFile %[1]s/pid\nDefaultRuntimeDir %[1]s\nErrorLog %[1]s/error.log\nMutex default:%[1]s\nServerName localhost\nListen 127.0.0.1:%[2]d\n", dir, port)
	for _, name := range append([]string{"mpm_event", "authz_core", "mime"}, modules...) {
		file := "/usr/lib/apache2/modules/mod_" + name + ".so"
		if _, err := os.Stat(file); err != nil {
			Missing(tb, "Apache has no module %s", name)
		}
		fmt.Fprintf(&main, "LoadModule %s_module %s\n", name, file)
	}
	fmt.Fprintf(&main, "TypesConfig /etc/mime.types\nUser nobody\nGroup nogroup\nInclude %s\n", config)
	file := filepath.Join(dir, "apache2.conf")
	if err := os.WriteFile(file, []byte(main.String()), 0o666); err != nil {
		tb.Fatal(err)
	}
	// -X: one process, which ends when it is killed.
	return Start(tb, exec.Command(Binary(tb, "apache2"), "-X", "-f", file), WaitPort(port))
}
