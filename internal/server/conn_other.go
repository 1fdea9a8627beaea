//go:build !linux

package server

import (
	"errors"
	"net"
	"syscall"
)

func bytesAcked(net.Conn) uint64 { return 0 }

func steer(syscall.Conn) error { return errors.ErrUnsupported }
