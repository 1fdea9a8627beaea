package frontends

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/internal/testservice"
)

// maxExposure is what `systemd-analyze security` may say of the unit, times
// ten: half of what it calls OK.
const maxExposure = "20"

// TestSystemdUnits: systemd understands the units, and finds the services
// confined.
func TestSystemdUnits(t *testing.T) {
	analyze := testservice.Binary(t, "systemd-analyze")
	for name, beside := range map[string]string{"ezdfs.service": "*.socket", "ezdfs-cdn.service": "ezdfs-cdn.*"} {
		// verify looks for the program.
		service := example(t, "systemd/"+name, replacement{"/usr/local/bin/dfsctl", "/bin/true"})
		units, err := filepath.Glob(filepath.Join(filepath.Dir(service), beside))
		if err != nil || len(units) == 0 {
			t.Fatalf("%q, %v", units, err)
		}
		for _, args := range [][]string{
			append([]string{"verify", "--man=no", "--recursive-errors=no", service}, units...),
			{"security", "--offline=yes", "--no-pager", "--threshold=" + maxExposure, service},
		} {
			out, err := exec.Command(analyze, args...).CombinedOutput()
			if err != nil || args[0] == "verify" && len(out) > 0 {
				t.Errorf("%s: systemd-analyze %s: %v\n%s", name, args[0], err, out)
			}
		}
	}
}

// TestUnitsOutlastOutages: what is started while its database is away ends, and
// systemd must not give up on it.
func TestUnitsOutlastOutages(t *testing.T) {
	for _, name := range []string{"ezdfs.service", "ezdfs-cdn.service"} {
		unit, err := os.ReadFile(example(t, "systemd/"+name))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"StartLimitIntervalSec=0", "Restart=on-failure"} {
			if !strings.Contains(string(unit), "\n"+line+"\n") {
				t.Errorf("%s: no %s", name, line)
			}
		}
	}
}

// manager does what systemd does for the unit: it holds the sockets, starts the
// process with them and waits until it is ready.
type manager struct {
	sockets [2]*os.File
	addrs   [2]string
	notify  *net.UnixConn
	args    []string
}

func newManager(t *testing.T, root string) *manager {
	t.Helper()
	m := &manager{}
	for i := range m.sockets {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		m.addrs[i] = l.Addr().String()
		m.sockets[i], err = l.(*net.TCPListener).File()
		l.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.sockets[i].Close() })
	}
	var err error
	path := filepath.Join(t.TempDir(), "notify")
	if m.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.notify.Close() })
	data, err := os.ReadFile("../systemd/ezdfs.service")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/dfsctl (.*)$`).FindStringSubmatch(string(data))
	if command == nil {
		t.Fatal("ezdfs.service starts something else")
	}
	m.args = strings.Fields(strings.ReplaceAll(command[1], "/var/www/site", root))
	return m
}

// start starts the program and returns it when it says that it is ready. stop
// ends it as systemd does.
func (m *manager) start(t *testing.T, program string) (stop func()) {
	t.Helper()
	// The shell knows which process will have the sockets: itself.
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh", program}, m.args...)...)
	cmd.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=public:admin", "NOTIFY_SOCKET="+m.notify.LocalAddr().String())
	cmd.ExtraFiles = m.sockets[:]
	p := testservice.Start(t, cmd, func() error { return m.told("READY=1") })
	return func() {
		p.Stop()
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if err := m.told("STOPPING=1"); err != nil { // by then it has been said
			t.Error(err)
		}
	}
}

// told reports whether the next thing that the process says is this state; it
// waits a second for it.
func (m *manager) told(state string) error {
	m.notify.SetReadDeadline(time.Now().Add(time.Second))
	buffer := make([]byte, 100)
	n, err := m.notify.Read(buffer)
	if err == nil && string(buffer[:n]) != state {
		err = fmt.Errorf("it says %q, not %q", buffer[:n], state)
	}
	return err
}

// TestSystemdRestart: the command of the unit takes the sockets, says when it
// is ready, and a restart refuses no connection.
func TestSystemdRestart(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "dfsctl")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/dfsctl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	root := t.TempDir()
	c := openCluster(t, loadSettings(t, root, "[Gateway]\n"))
	s := &stack{cluster: c}
	s.store(t, images+"a", "a")

	m := newManager(t, root)
	stop := m.start(t, program)
	if a := ask(t, "GET", "http://"+m.addrs[1]+"/readyz"); a.StatusCode != 200 {
		t.Errorf("readyz: %d %s", a.StatusCode, a.body)
	}
	h := newHammer(t, func(int64) string { return "http://" + m.addrs[0] + "/" + images + "a" },
		func(a answer) bool { return a.StatusCode == 200 && a.body == "a" })
	for range 2 {
		h.more(t)
		stop()
		stop = m.start(t, program)
	}
	h.stop()
	stop()
}
