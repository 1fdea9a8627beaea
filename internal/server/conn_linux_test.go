package server

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCork: a file leaves complete, its last packet included, and the
// connection is as it was.
func TestCork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer := dial(t, l.Addr().String(), "")
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(0, 0)
	c := &conn{Conn: accepted, buffers: &g.buffers, heldPool: &g.held, release: func() {}}
	defer c.Close()
	const size = 100_001
	f, err := os.Open(sparse(t, size))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	HoldNext(withConn(t.Context(), c))
	c.Write([]byte("header"))
	if n, err := c.ReadFrom(f); n != size || err != nil {
		t.Fatal(n, err)
	}
	got := make([]byte, len("header")+size)
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.HasPrefix(got, []byte("header\x00")) {
		t.Errorf("%q, %v", got[:10], err)
	}
	control(accepted.(*net.TCPConn), func(fd int) error {
		if corked, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK); corked != 0 || err != nil {
			t.Errorf("it is still corked: %d, %v", corked, err)
		}
		return nil
	})
}

// TestHeldBeforeFile: a header that was held back stands in front of its file.
func TestHeldBeforeFile(t *testing.T) {
	const size = 100_000
	file := sparse(t, size)
	conn := serveOne(t, func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(file)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Length", strconv.Itoa(size))
		HoldNext(r.Context())
		io.Copy(w, f)
	})
	for range 3 {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if r, body := answer(t, conn); r.StatusCode != 200 || len(body) != size {
			t.Errorf("%s, %d bytes", r.Status, len(body))
		}
	}
}
