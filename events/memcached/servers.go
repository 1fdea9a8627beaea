package memcached

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// parseServers reads the entries of Servers, host:port or host:port;weight, as
// host:port. Weights are checked and dropped, see the package comment.
func parseServers(entries []string) ([]string, error) {
	if len(entries) == 0 {
		return nil, errors.New("memcachedcluster.ini [ServerSettings] Servers[] names no server: add Servers[]=host:port")
	}
	var addrs []string
	for _, entry := range entries {
		addr, reason := parseServer(entry)
		if reason != "" {
			return nil, fmt.Errorf("memcachedcluster.ini [ServerSettings] Servers[]=%s: %s; write host:port or host:port;weight", entry, reason)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// parseServer returns host:port, or what is wrong with an entry.
func parseServer(entry string) (addr, reason string) {
	addr, weight, weighted := strings.Cut(strings.TrimSpace(entry), ";")
	if weighted {
		if _, err := strconv.ParseUint(strings.TrimSpace(weight), 10, 32); err != nil {
			return "", "the weight is not a number"
		}
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", "is not host:port"
	}
	if host == "" || strings.ContainsAny(host, " \t/") {
		return "", "has no valid host"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "the port is not a number from 1 to 65535"
	}
	return addr, ""
}

// server returns the server that PHP's client keeps a key on. The key comes
// without PrefixKey, which libmemcached leaves out of the hash.
func (l *Listener) server(key string) *server {
	return l.ring[oneAtATime(key)%uint32(len(l.ring))]
}

// oneAtATime is Jenkins' hash of that name.
func oneAtATime(key string) uint32 {
	var h uint32
	for i := range len(key) {
		h += uint32(key[i])
		h += h << 10
		h ^= h >> 6
	}
	h += h << 3
	h ^= h >> 11
	h += h << 15
	return h
}

// legalKey reports whether PHP's client takes a key: 1 to 250 visible ASCII
// characters.
func legalKey(key string) bool {
	if key == "" || len(key) > 250 {
		return false
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] >= 0x7f {
			return false
		}
	}
	return true
}
