package testservice

import (
	"math/rand/v2"
	"net"
	"testing"
)

// The ports that tests choose from. They are below those that Linux, macOS and
// the BSDs give to whoever wants any port, so that nobody gets one by accident
// while the service of a test has not bound it yet, or is away for a while.
const (
	firstPort = 12000
	lastPort  = 31999
)

// FreePort returns a TCP port of 127.0.0.1 that nothing listens on. Until the
// end of the test no other FreePort returns it, in this process or another, so
// that a service may bind it late, and leave it and come back.
func FreePort(tb testing.TB) int {
	tb.Helper()
	port, release := reservePort(tb)
	tb.Cleanup(release)
	return port
}

// reservePort is FreePort until release is called.
func reservePort(tb testing.TB) (port int, release func()) {
	tb.Helper()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if release := reserve(port); release != nil {
			return port, release
		}
	}
	tb.Fatalf("no port from %d to %d is free", firstPort, lastPort)
	return 0, nil
}

// reserve reserves a port, or returns nil where that is not to be had. What
// tells other processes is the UDP port of the same number, which no service
// uses and which the kernel frees for a test that is killed.
func reserve(port int) (release func()) {
	mark, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return nil
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: port}) // any address
	if err != nil {
		mark.Close()
		return nil
	}
	l.Close()
	return func() { mark.Close() }
}
