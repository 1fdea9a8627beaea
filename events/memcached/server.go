package memcached

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"example.com/ezdfs/settings"
)

const (
	breakerFailures = 3           // in a row, until a server is left alone
	breakerDelay    = time.Second // until it is tried again
	maxIdleConns    = 32
)

// errSpared says that a server was not asked, since it failed just now.
var errSpared = errors.New("memcached: the server failed moments ago")

// server is one memcached with its connections, its breaker, and what it still
// has to be told.
type server struct {
	addr    string
	client  *memcache.Client
	breaker circuitbreaker.CircuitBreaker[any]
	log     *slog.Logger

	mu     sync.Mutex
	debts  uint64 // deletions that did not get here, counted to notice new ones
	owing  bool
	paying bool
}

func newServer(addr string, s settings.Memcached, log *slog.Logger) *server {
	client := memcache.NewFromSelector(one(addr))
	client.Timeout = s.Timeout
	client.MaxIdleConns = maxIdleConns
	dialer := net.Dialer{Timeout: s.ConnectTimeout}
	client.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &boundedConn{Conn: conn, timeout: s.Timeout}, nil
	}
	return &server{
		addr: addr, client: client, log: log.With("memcached", addr),
		breaker: circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(breakerFailures).WithSuccessThreshold(1).WithDelay(breakerDelay).Build(),
	}
}

// do runs requests unless the server is spared. Connections that the server
// closed while they were idle are tried once more with a new one, which all
// requests of this package allow.
func (s *server) do(requests func(*memcache.Client) error) error {
	if !s.breaker.TryAcquirePermit() {
		return errSpared
	}
	err := requests(s.client)
	if isBroken(err) {
		s.client.Close()
		err = requests(s.client)
	}
	if !isFailure(err) {
		s.breaker.RecordSuccess()
		return err
	}
	s.breaker.RecordFailure()
	s.log.Debug("memcached does not answer", "error", err)
	return err
}

// isFailure reports whether an error means that no answer came, rather than
// one that was not hoped for.
func isFailure(err error) bool {
	var timeout *memcache.ConnectTimeoutError
	var network net.Error
	return errors.As(err, &timeout) || errors.As(err, &network) || isBroken(err)
}

// isBroken reports whether an error is that of a connection that has ended.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// drop deletes keys, in this order. It returns the failure of the server.
func (s *server) drop(keys ...string) error {
	for _, key := range keys {
		err := s.do(func(c *memcache.Client) error { return c.Delete(key) })
		if err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
			return err
		}
	}
	return nil
}

// flush removes everything from the server.
func (s *server) flush() error {
	return s.do(func(c *memcache.Client) error { return c.FlushAll() })
}

// get fetches several keys at once.
func (s *server) get(keys []string) (items map[string]*memcache.Item, err error) {
	err = s.do(func(c *memcache.Client) error {
		items, err = c.GetMulti(keys)
		return err
	})
	return items, err
}

// one selects the only server of a client.
type one string

func (a one) PickServer(string) (net.Addr, error)  { return a, nil }
func (a one) Each(each func(net.Addr) error) error { return each(a) }
func (a one) Network() string                      { return "tcp" }
func (a one) String() string                       { return string(a) }

// boundedConn bounds the time from the last request to the end of its answer.
// The client itself grants each line of an answer that time anew.
type boundedConn struct {
	net.Conn
	timeout time.Duration
}

// Write sends a request, or a part of one.
func (c *boundedConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// SetDeadline leaves the deadline to Write.
func (c *boundedConn) SetDeadline(time.Time) error { return nil }
