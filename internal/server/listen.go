package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// AddressError says that a text is no address to listen on.
type AddressError struct{ Address, Reason string }

func (e *AddressError) Error() string {
	return fmt.Sprintf("cannot listen on %q: %s; write host:port, :port or unix:/path", e.Address, e.Reason)
}

// unixPrefix begins addresses that are Unix sockets.
const unixPrefix = "unix:"

// InUseError says that another process listens on an address.
type InUseError struct {
	Address string
	Err     error // nil where the system did not say it
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("another process listens on %s: choose another one in [Gateway] Listen or AdminListen, or, if this process is to replace that one, start it with --reuse-port", e.Address)
}

func (e *InUseError) Unwrap() error { return e.Err }

// listen binds an address. Another process that is bound to it is in the way,
// unless this one is to take over (Options.ReusePort): then both get connections
// until the older one ends.
func listen(ctx context.Context, address string, o Options) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		return listenUnix(ctx, path, o)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		var addrErr *net.AddrError
		if errors.As(err, &addrErr) {
			return nil, &AddressError{address, addrErr.Err}
		}
		return nil, &AddressError{address, err.Error()}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, &AddressError{address, fmt.Sprintf("port %q is no number up to 65535", port)}
	} else if n == 0 { // any port; to share it is not meant
		return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	}
	return listenTCP(ctx, address, o.ReusePort)
}

// listenTCP binds a socket that shares its address with whoever comes later and
// asks for that, but with those who are there already only if it is to.
func listenTCP(ctx context.Context, address string, share bool) (net.Listener, error) {
	config := net.ListenConfig{}
	config.SetMultipathTCP(false) // its sockets cannot be steered
	if share {
		config.Control = func(_, _ string, c syscall.RawConn) error { return controlRaw(c, reusePort) }
	}
	l, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, unix.EADDRINUSE) && !share { // else it did not offer to share it, or is another user's
		return nil, &InUseError{address, err}
	}
	if err != nil {
		return nil, err
	}
	if err := control(l.(*net.TCPListener), reusePort); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func reusePort(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }

// unixListener is a Unix socket that removes its file when it is closed,
// unless that is another's by then.
type unixListener struct {
	*net.UnixListener
	path string
	info fs.FileInfo
}

// listenUnix binds a socket under another name and moves it to its path, so
// that there is one at every moment, with the right mode from the start.
func listenUnix(ctx context.Context, path string, o Options) (net.Listener, error) {
	if !filepath.IsAbs(path) {
		return nil, &AddressError{unixPrefix + path, "the path is not absolute"}
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, &AddressError{unixPrefix + path, "there is a file that is no socket"}
	}
	if c, err := (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
		c.Close()
		if !o.ReusePort {
			return nil, &InUseError{Address: unixPrefix + path}
		}
	}
	temp := fmt.Sprintf("%s.%d", path, os.Getpid())
	os.Remove(temp) // of a process that crashed
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", temp)
	if err != nil {
		return nil, err
	}
	socket := l.(*net.UnixListener)
	socket.SetUnlinkOnClose(false)
	err = os.Chmod(temp, o.SocketMode)
	info, statErr := os.Lstat(temp)
	if err = errors.Join(err, statErr); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return nil, errors.Join(err, l.Close())
	}
	return &unixListener{socket, path, info}, nil
}

// Addr is the address under the path that clients know.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// replaced reports whether another process has taken the path.
func (l *unixListener) replaced() bool {
	info, err := os.Lstat(l.path)
	return err == nil && !os.SameFile(info, l.info)
}

// Close closes the socket.
func (l *unixListener) Close() error {
	if !l.replaced() {
		os.Remove(l.path)
	}
	return l.UnixListener.Close()
}

// control calls do with the descriptor of a socket.
func control(c syscall.Conn, do func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return controlRaw(raw, do)
}

func controlRaw(raw syscall.RawConn, do func(fd int) error) error {
	var err error
	if rawErr := raw.Control(func(fd uintptr) { err = do(int(fd)) }); rawErr != nil {
		return rawErr
	}
	return err
}

// FormatAddress writes the address of a listener as it is given.
func FormatAddress(addr net.Addr) string {
	if addr.Network() == "unix" {
		return unixPrefix + addr.String()
	}
	return addr.String()
}
