package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/gateway"
)

// BenchmarkServe compares the gateway with http.FileServer on the same files
// of one NFS tree, over TCP on loopback.
//
//	go test -run - -bench Serve ./gateway
func BenchmarkServe(b *testing.B) {
	s := loadSettings(b, "[ClusterEventsSettings]\nClusterEvents=enabled\nListeners[]=rowcache\n")
	cached := newCluster(b, s)
	s.Events.Enabled = false
	c := newCluster(b, s)
	o, err := gateway.OptionsFrom(s)
	if err != nil {
		b.Fatal(err)
	}
	handlers := []struct {
		name string
		http.Handler
	}{
		{"rows from SQLite", gateway.New(c, o)},
		{"rows from the cache", gateway.New(cached, o)},
		{"FileServer", http.FileServer(http.Dir(filepath.Join(s.Root, "mount")))},
	}
	for _, size := range []int{10 << 10, 5 << 20} {
		store(b, cached, "var/storage/a", strings.Repeat("x", size))
		for _, h := range handlers {
			b.Run(fmt.Sprintf("%dKB/%s", size>>10, h.name), func(b *testing.B) {
				server := serve(b, h)
				b.SetBytes(int64(size))
				before := cpuTime(b)
				b.RunParallel(func(pb *testing.PB) { fetch(b, pb, server.Listener.Addr().String(), int64(size)) })
				b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N)/1000, "cpu-µs/op")
			})
		}
	}
}

// cpuTime is what this process has used so far, client and server, the kernel's
// part included: unlike the clock it does not mind what else the machine does.
func cpuTime(b *testing.B) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// fetch asks for the same file again and again over one connection. A client
// that did more than this would be most of what is measured.
func fetch(b *testing.B, pb *testing.PB, address string, size int64) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	request := []byte("GET " + target + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n")
	reader := bufio.NewReaderSize(conn, 64<<10)
	for pb.Next() {
		if _, err := conn.Write(request); err != nil {
			b.Error(err)
			return
		}
		if err := skipAnswer(reader, size); err != nil {
			b.Error(err)
			return
		}
	}
}

// skipAnswer reads an answer whose body has size bytes.
func skipAnswer(reader *bufio.Reader, size int64) error {
	status, err := reader.ReadString('\n')
	if err != nil || !strings.Contains(status, " 200 ") {
		return fmt.Errorf("%q: %w", status, err)
	}
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err := io.CopyN(io.Discard, reader, size)
			return err
		}
	}
}
