package gatewaybench

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"example.com/ezdfs/internal/testservice"
)

// TestConnections prints what 10,000 connections that wait, and 1,000 that are
// busy, take of dfsctl serve's memory.
func TestConnections(t *testing.T) {
	if os.Getenv("DFS_BENCH") == "" {
		t.Skip("set DFS_BENCH=1, or run make bench-gateway")
	}
	const idle, active = 10_000, 1000
	wrk := testservice.Binary(t, "wrk")
	site := newSite(t)
	g := site.gateway(t, "gateway")
	resident := func() string {
		_, bytes := stat(t, g.process.PID())
		return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
	}
	fmt.Println("| connections | resident memory |")
	fmt.Println("| --- | ---: |")
	fmt.Printf("| 1 | %s |\n", resident())
	for i := range idle {
		conn, err := net.Dial("tcp", g.address)
		if err != nil {
			t.Fatalf("after %d connections: %v", i, err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n", small)
		if _, err := io.ReadAtLeast(conn, make([]byte, 1024), 64); err != nil {
			t.Fatalf("after %d connections: %v", i, err)
		}
	}
	fmt.Printf("| %d idle | %s |\n", idle, resident())
	for _, path := range []string{small, large} {
		cmd := exec.Command(wrk, "-t1", "-c"+strconv.Itoa(active), "-d"+duration().String(), "--timeout", "60s", "http://"+g.address+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		fmt.Printf("| %d idle, %d busy with %s | %s |\n", idle, active, path, resident())
	}
}
