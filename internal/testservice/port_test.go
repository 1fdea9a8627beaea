package testservice

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// TestFreePort: a port is had by one test until its end, though nobody listens
// on it yet, and whatever listens anywhere is left alone.
func TestFreePort(t *testing.T) {
	var port int
	t.Run("holder", func(t *testing.T) {
		port = FreePort(t)
		if again := reserve(port); again != nil {
			t.Error("another test got it meanwhile")
		}
		for range 2 { // a service starts, ends and starts again
			l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		}
	})
	release := reserve(port)
	if release == nil {
		t.Fatal("it is not free after the test")
	}
	release()
	for _, host := range []string{"", "127.0.0.1"} {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, port))
		if err != nil {
			t.Fatal(err)
		}
		if release := reserve(port); release != nil {
			t.Errorf("somebody listens on %q", host)
			release()
		}
		l.Close()
	}
	if release := reserve(port); release == nil {
		t.Error("what was in use cannot be had again")
	} else {
		release()
	}
}

// TestFreePortIsNobodysByAccident: the kernel gives ports of that range to
// nobody who did not ask for them.
func TestFreePortIsNobodysByAccident(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Skip("only Linux tells")
	}
	var first, last int
	if _, err := fmt.Sscan(strings.TrimSpace(string(text)), &first, &last); err != nil {
		t.Fatal(err)
	}
	if first <= lastPort && firstPort <= last {
		t.Skipf("this machine gives any of %d to %d", first, last)
	}
	for range 100 {
		if port := FreePort(t); port >= first && port <= last {
			t.Fatalf("%d may be anybody's", port)
		}
	}
}
