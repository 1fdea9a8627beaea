package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"example.com/ezdfs/gateway"
)

// TestMemoryPerConnection: what a connection costs is bounded, whether it
// waits after an answer or in the middle of a body that its client does not
// take.
func TestMemoryPerConnection(t *testing.T) {
	const connections = 500
	c := newCluster(t, loadSettings(t, ""))
	store(t, c, "var/storage/a", strings.Repeat("x", 10<<10))
	store(t, c, "var/storage/large", strings.Repeat("x", 8<<20))
	server := serve(t, gateway.New(c, gateway.Options{BodyCacheSize: 1 << 20}))
	for _, test := range []struct {
		path  string
		whole bool
		limit int64 // both ends are in this process
	}{
		{"/var/storage/a", true, 40 << 10},
		{"/var/storage/large", false, 96 << 10}, // net/http has a buffer of 32 KB at hand, though the kernel moves the file
	} {
		before := memoryInUse()
		conns := make([]net.Conn, connections)
		for i := range conns {
			conns[i] = askOnce(t, server.Listener.Addr().String(), test.path, test.whole)
		}
		if each := (memoryInUse() - before) / connections; each > test.limit {
			t.Errorf("%s: a connection takes %d bytes", test.path, each)
		}
		for _, conn := range conns {
			conn.Close()
		}
	}
}

// memoryInUse is what heap and stacks take after a collection.
func memoryInUse() int64 {
	runtime.GC()
	runtime.GC() // pools are emptied in two steps
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// askOnce opens a connection, asks for a file and reads the header of the
// answer, or all of it.
func askOnce(t *testing.T, address, path string, whole bool) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	if whole {
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}
