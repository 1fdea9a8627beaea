package systemd_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/internal/systemd"
)

// TestMain is also the service that TestSockets starts.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_SERVICE") == "" {
		goleak.VerifyTestMain(m)
		return
	}
	sockets, err := systemd.Sockets(func(name string) (string, bool) {
		if name == "LISTEN_PID" { // a manager knows it, exec.Cmd does not
			return strconv.Itoa(os.Getpid()), true
		}
		return os.LookupEnv(name)
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, s := range sockets {
		c, err := s.Listener.Accept()
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		io.WriteString(c, s.Name)
		c.Close()
	}
}

func getenv(vars map[string]string) systemd.Getenv {
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

// TestSockets gives a process two sockets, as the service manager does.
func TestSockets(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BE_THE_SERVICE=1", "LISTEN_FDS=2", "LISTEN_FDNAMES=public:admin")
	for _, l := range []net.Listener{tcp, unix} {
		file, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	cmd.Stdout = os.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for l, want := range map[net.Listener]string{tcp: "public", unix: "admin"} {
		c, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		if got, err := io.ReadAll(c); string(got) != want || err != nil {
			t.Errorf("%s: read %q, %v", want, got, err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(unix.Addr().String()); err != nil {
		t.Errorf("the service removed the manager's socket: %v", err)
	}
}

func TestNoSockets(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	for name, test := range map[string]struct {
		vars map[string]string
		bad  bool
	}{
		"no manager":        {nil, false},
		"another's":         {map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "1"}, false},
		"none":              {map[string]string{"LISTEN_PID": own, "LISTEN_FDS": "0"}, false},
		"not a number":      {map[string]string{"LISTEN_PID": own, "LISTEN_FDS": "x"}, true},
		"a negative number": {map[string]string{"LISTEN_PID": own, "LISTEN_FDS": "-1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			sockets, err := systemd.Sockets(getenv(test.vars))
			if len(sockets) != 0 || (err != nil) != test.bad {
				t.Errorf("%v, %v", sockets, err)
			}
		})
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	if err := systemd.Notify(getenv(map[string]string{"NOTIFY_SOCKET": path}), "READY=1"); err != nil {
		t.Fatal(err)
	}
	manager.SetDeadline(time.Now().Add(time.Minute))
	buffer := make([]byte, 100)
	if n, err := manager.Read(buffer); string(buffer[:n]) != "READY=1" || err != nil {
		t.Errorf("told %q, %v", buffer[:n], err)
	}
	if err := systemd.Notify(getenv(nil), "READY=1"); err != nil {
		t.Error(err)
	}
	if err := systemd.Notify(getenv(map[string]string{"NOTIFY_SOCKET": path + "none"}), "READY=1"); err == nil {
		t.Error("nobody was told, and that is no error")
	}
}

func ExampleNotify() {
	if err := systemd.Notify(os.LookupEnv, "READY=1"); err != nil {
		fmt.Println(err)
	}
	// Output:
}
