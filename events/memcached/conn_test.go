package memcached

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// A server that answers, but slowly and without end, holds nobody longer than
// Timeout.
func TestSlowAnswerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 100 * time.Millisecond
		var serving sync.WaitGroup
		defer serving.Wait()
		s := newServer("a:1", settings.Memcached{Timeout: timeout}, discard())
		s.client.DialContext = func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			serving.Go(func() {
				defer server.Close()
				request := bufio.NewReader(server)
				request.ReadString('\n')
				for i := 0; ; i++ {
					if _, err := fmt.Fprintf(server, "VALUE k 0 1\r\n%d\r\n", i%10); err != nil {
						return
					}
					time.Sleep(timeout / 2)
				}
			})
			return &boundedConn{Conn: client, timeout: timeout}, nil
		}
		start := time.Now()
		if _, err := s.get([]string{"k"}); !isFailure(err) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != timeout {
			t.Errorf("took %v, want %v", took, timeout)
		}
	})
}

// spy calls before the first request that begins with a verb is sent, and
// counts all of them.
type spy struct {
	verb   string
	before func()
	once   sync.Once
	count  int
}

// on has the spy see what is sent to a server from now on.
func (y *spy) on(s *server) {
	s.client.Close()
	dial := s.client.DialContext
	s.client.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &spyConn{conn, y}, err
	}
}

type spyConn struct {
	net.Conn
	spy *spy
}

func (c *spyConn) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte(c.spy.verb+" ")) {
		c.spy.count++
		c.spy.once.Do(c.spy.before)
	}
	return c.Conn.Write(p)
}

// A row that is deleted in the instant before it is stored does not stay there
// for PHP.
func TestDeletedRightBeforeSet(t *testing.T) {
	db, servers := site(), startServers(t, 1)
	one, two := newHost(t, db, true, servers...), newHost(t, db, true, servers...)
	spy := &spy{verb: "set", before: func() {
		db.put(node2a, "viewcache")
		two.tell(t, deleteFile(node2a))
	}}
	spy.on(one.servers[0])
	one.load(t, node2a)
	if spy.count != 1 {
		t.Fatalf("%d sets", spy.count)
	}
	php := newFrontend(t, servers...)
	if _, ok := php.load(node2a); ok {
		t.Error("PHP has the old row")
	}
	if php.get("var/s/cache/content/s/2-") != nil {
		t.Error("PHP's map lists the old row")
	}
}

// A row that is known to be old is not even sent.
func TestOldRowIsNotSent(t *testing.T) {
	db, servers := site(), startServers(t, 1)
	one, two := newHost(t, db, false, servers...), newHost(t, db, false, servers...)
	spy := &spy{verb: "set", before: func() {}}
	spy.on(one.servers[0])
	one.ask(t, picture)
	asked := time.Now()
	old, _ := db.get(picture)
	two.tell(t, deleteFile(picture))
	one.came(t, old, true, asked)
	if spy.count != 0 {
		t.Errorf("%d sets", spy.count)
	}
	one.keep(t, picture)
	if spy.count != 1 {
		t.Errorf("%d sets of a current row", spy.count)
	}
}

// What a server says no to is no outage.
func TestRefusalIsNoFailure(t *testing.T) {
	h := newHost(t, site(), true, startServers(t, 1)...)
	s := h.servers[0]
	large := &memcache.Item{Key: "t_" + metadata.Hash("large"), Value: make([]byte, 2<<20)}
	for range breakerFailures + 1 {
		if err := s.do(func(c *memcache.Client) error { return c.Set(large) }); err == nil || isFailure(err) {
			t.Errorf("got %v", err)
		}
	}
	if !s.breaker.IsClosed() {
		t.Error("the breaker is open")
	}
}
