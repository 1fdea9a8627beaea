package server

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// bytesAcked tells how much of what was sent the peer has acknowledged, 0
// where nobody knows.
func bytesAcked(c net.Conn) uint64 {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	var acked uint64
	raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			acked = info.Bytes_acked
		}
	})
	return acked
}

// steer sends the connections that come from now on to the process that bound
// the same address later, if there is one; those that are on their way still
// arrive here. In the kernel's words: of the sockets that share the address the
// second is selected, that of the newer of two processes, and where there is
// none the usual hash decides. That stays so for the processes to come, which
// does no harm as long as there are never more than an old and a new one.
func steer(l syscall.Conn) error {
	toSecond := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 1}}
	return control(l, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
			&unix.SockFprog{Len: uint16(len(toSecond)), Filter: &toSecond[0]})
	})
}
