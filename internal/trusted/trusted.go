// Package trusted knows the proxies whose word about their clients counts, and
// finds out from it who sent a request:
//
//	proxies, err := trusted.Parse([]string{"10.0.0.0/8", "unix"})
//	...
//	client := proxies.Client(r)
//
// What anybody else says about who they are is not believed.
package trusted

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// unixWord stands for whoever can connect to a Unix socket.
const unixWord = "unix"

// Proxies are the addresses that are trusted. The zero value trusts nobody.
type Proxies struct {
	prefixes []netip.Prefix
	unix     bool
}

// Parse reads addresses, networks in CIDR notation, and "unix" for the peers
// of Unix sockets.
func Parse(words []string) (Proxies, error) {
	var p Proxies
	for _, word := range words {
		if word = strings.TrimSpace(word); word == unixWord {
			p.unix = true
			continue
		}
		prefix, err := netip.ParsePrefix(word)
		if addr, addrErr := netip.ParseAddr(word); addrErr == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return Proxies{}, fmt.Errorf("%q is no address such as 10.0.0.1, no network such as 10.0.0.0/8, and not \"unix\"", word)
		}
		p.prefixes = append(p.prefixes, unmapped(prefix).Masked())
	}
	return p, nil
}

// unmapped makes a network of IPv4 addresses written as IPv6 one of IPv4.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// Empty reports whether nobody is trusted.
func (p Proxies) Empty() bool { return len(p.prefixes) == 0 && !p.unix }

// Contains reports whether an address is trusted; the invalid address is that
// of the peer of a Unix socket.
func (p Proxies) Contains(addr netip.Addr) bool {
	if !addr.IsValid() {
		return p.unix
	}
	addr = addr.Unmap().WithZone("")
	for _, prefix := range p.prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// ContainsPeer reports whether the peer of a connection is trusted.
func (p Proxies) ContainsPeer(addr net.Addr) bool {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		return p.Contains(addr.AddrPort().Addr())
	case *net.UnixAddr:
		return p.unix
	}
	return false
}

// Peer is the address that a request came from, invalid for a Unix socket.
func Peer(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Addr().Unmap()
}

// Client returns who sent a request: the peer, or, where that is trusted, the
// last address in Forwarded (RFC 7239), else in X-Forwarded-For, that is not.
// What stands before it anybody can have written. An entry that is no address
// ends the search at the one behind it.
func (p Proxies) Client(r *http.Request) netip.Addr {
	client := Peer(r)
	if p.Empty() || !p.Contains(client) {
		return client
	}
	fields, parse := r.Header["Forwarded"], forwardedFor
	if len(fields) == 0 {
		fields, parse = r.Header["X-Forwarded-For"], parseAddr
	}
	for i := len(fields) - 1; i >= 0; i-- {
		rest := fields[i]
		for more := true; more; {
			var last string
			rest, last, more = cutLast(rest)
			addr, ok := parse(last)
			if !ok {
				return client
			}
			if client = addr; !p.Contains(client) {
				return client
			}
		}
	}
	return client
}

// cutLast parts a list at its last comma outside of quotes.
func cutLast(list string) (before, last string, more bool) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch {
		case list[i] == '"':
			quoted = !quoted
		case list[i] == ',' && !quoted:
			return list[:i], strings.TrimSpace(list[i+1:]), true
		}
	}
	return "", strings.TrimSpace(list), false
}

// forwardedFor reads the parameter "for" of an element of Forwarded.
func forwardedFor(element string) (netip.Addr, bool) {
	for pair := range strings.SplitSeq(element, ";") {
		name, value, ok := strings.Cut(pair, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), "for") {
			return parseAddr(strings.Trim(strings.TrimSpace(value), `"`))
		}
	}
	return netip.Addr{}, false
}

// parseAddr reads an address, perhaps in brackets, perhaps with a port.
func parseAddr(text string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddrPort(text)
	return addr.Addr().Unmap().WithZone(""), err == nil
}
