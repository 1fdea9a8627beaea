package server

import (
	"net/netip"
	"sync"

	"example.com/ezdfs/internal/trusted"
)

// shares bound how many requests one client has in flight, so that none takes
// all of MaxRequests: with HTTP/2 a few connections would do.
//
// The first few requests of all clients together are not told apart, which
// costs nothing while there is little to do. A client has its share of the
// others less those few, and so never more than the share.
type shares struct {
	free, each int64 // each 0 for no bound
	proxies    trusted.Proxies

	mu     sync.Mutex
	counts map[netip.Addr]int64
}

// freeRequests is how many requests are not told apart at the most.
const freeRequests = 64

// newShares gives each client so many percent of a number of requests, and one
// at the least.
func newShares(requests, percent int, proxies trusted.Proxies) *shares {
	share := max(1, int64(requests)*int64(percent)/100)
	s := &shares{proxies: proxies, counts: map[netip.Addr]int64{}}
	if requests > 0 && percent < 100 {
		s.free = min(share/4, freeRequests)
		s.each = share - s.free
	}
	return s
}

// enter counts a request of a client. ok is false if it has its share already;
// else leave is to be called when the request has been answered, unless it is
// nil.
func (s *shares) enter(client netip.Addr) (leave func(), ok bool) {
	key, bound := s.key(client)
	if !bound {
		return nil, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts[key] >= s.each {
		return nil, false
	}
	s.counts[key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.counts[key]--; s.counts[key] == 0 {
			delete(s.counts, key)
		}
	}, true
}

// key is what a client's requests are counted by: its address, of which with
// IPv6 the first half is the customer's. Bound to a share is nobody on this
// host, and no proxy: it speaks for many.
func (s *shares) key(client netip.Addr) (key netip.Addr, bound bool) {
	if !client.IsValid() || client.IsLoopback() || s.proxies.Contains(client) {
		return key, false
	}
	if client = client.Unmap(); client.Is6() {
		prefix, err := client.Prefix(64) // without the zone
		return prefix.Addr(), err == nil
	}
	return client, true
}
