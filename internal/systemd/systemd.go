// Package systemd takes sockets from the service manager and tells it how the
// service fares: the protocols of sd_listen_fds(3) and sd_notify(3), which
// other managers speak too.
package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Getenv looks up an environment variable.
type Getenv func(string) (string, bool)

// Socket is a listening socket that the manager holds.
type Socket struct {
	// Name is FileDescriptorName= of the socket unit.
	Name     string
	Listener net.Listener
}

// firstFD is the first descriptor that is passed.
const firstFD = 3

// Sockets returns the sockets that were passed to this process, none where
// there is no manager. The caller closes them. They may be taken once.
func Sockets(getenv Getenv) ([]Socket, error) {
	pid, _ := getenv("LISTEN_PID")
	count, _ := getenv("LISTEN_FDS")
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS: %q is no number of sockets", count)
	}
	joined, _ := getenv("LISTEN_FDNAMES")
	names := strings.Split(joined, ":")
	var sockets []Socket
	for i := range n {
		syscall.CloseOnExec(firstFD + i)
		name := ""
		if i < len(names) {
			name = names[i]
		}
		file := os.NewFile(uintptr(firstFD+i), name)
		l, err := net.FileListener(file) // a duplicate
		file.Close()
		if err != nil {
			for _, s := range sockets {
				s.Listener.Close()
			}
			return nil, fmt.Errorf("descriptor %d of LISTEN_FDS is no listening socket: %w", firstFD+i, err)
		}
		if l, ok := l.(*net.UnixListener); ok {
			l.SetUnlinkOnClose(false) // it is the manager's
		}
		sockets = append(sockets, Socket{Name: name, Listener: l})
	}
	return sockets, nil
}

// patience is how long a manager may take to be told.
const patience = time.Second

// Notify tells the manager the state, such as "READY=1". Where there is no
// manager that does nothing.
func Notify(getenv Getenv, state string) error {
	path, _ := getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(patience))
	_, err = conn.Write([]byte(state))
	return err
}
