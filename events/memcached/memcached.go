package memcached

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"example.com/ezdfs/events"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// Options is what the settings of [ServerSettings] do not say. The zero value
// is useful.
type Options struct {
	// Layout tells the tables of rows that PHP wrote, which do not say it.
	Layout metadata.Layout
	// Family yields the names of the rows that a family event is about, expired
	// ones included; that costs what the family's rows cost and spares a full
	// flush of servers shared with PHP. An error, such as errors.ErrUnsupported
	// for a kind that it cannot list cheaply, makes them flushed. It may yield
	// too many names, never too few: families whose rows are removed, not only
	// expired, have to be told path by path. Nil flushes for every family.
	Family func(ctx context.Context, family events.Event) iter.Seq2[string, error]
	// Logger is told of servers that fail and come back; nil logs nothing.
	Logger *slog.Logger
}

// Listener keeps rows in memcached. Its methods may be called concurrently.
type Listener struct {
	prefix  string
	shared  bool
	ttl     int32     // of rows, seconds
	ring    []*server // by the entries of Servers; the same server may stand twice
	servers []*server // each once
	opts    Options
	leases  leases

	done   chan struct{} // closed by Close
	payers sync.WaitGroup
}

var (
	_ events.Listener        = (*Listener)(nil)
	_ events.MetadataFilter  = (*Listener)(nil)
	_ events.ExistenceFilter = (*Listener)(nil)
)

// maxTTL is the longest time that memcached takes as relative.
const maxTTL = 30 * 24 * time.Hour

// maxPrefix is the longest PrefixKey that PHP's client takes.
const maxPrefix = 128

// New returns the listener for the servers of the settings, which are reached
// when they are first needed. Errors name the setting.
func New(s settings.Memcached, opts Options) (*Listener, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if len(s.PrefixKey) > maxPrefix || !legalKey(s.PrefixKey) && s.PrefixKey != "" {
		return nil, fmt.Errorf("memcachedcluster.ini [ServerSettings] PrefixKey=%s: must be at most %d visible ASCII characters without spaces", s.PrefixKey, maxPrefix)
	}
	addrs, err := parseServers(s.Servers)
	if err != nil {
		return nil, err
	}
	l := &Listener{
		prefix: s.PrefixKey,
		shared: s.SharedWithPHP,
		ttl:    int32(min(max(s.TTL, time.Second), maxTTL) / time.Second),
		opts:   opts,
		done:   make(chan struct{}),
	}
	known := map[string]*server{}
	for _, addr := range addrs {
		if known[addr] == nil {
			known[addr] = newServer(addr, s, opts.Logger)
			l.servers = append(l.servers, known[addr])
		}
		l.ring = append(l.ring, known[addr])
	}
	return l, nil
}

// Ping asks every server whether it is there. The error names those that are
// not.
func (l *Listener) Ping(context.Context) error { // each answer is bounded by Timeout
	var errs []error
	for _, s := range l.servers {
		if err := s.do((*memcache.Client).Ping); err != nil {
			errs = append(errs, fmt.Errorf("memcached %s does not answer: %w", s.addr, err))
		}
	}
	return errors.Join(errs...)
}

// Name returns "memcached".
func (l *Listener) Name() string { return "memcached" }

// Close closes the connections. Its error names the servers that could not be
// told of changes: rows there may be out of date until they expire.
func (l *Listener) Close() error {
	close(l.done)
	l.payers.Wait()
	var errs []error
	for _, s := range l.servers {
		s.breaker.Close() // or the last attempt would be spared
		if !l.pay(s) {
			errs = append(errs, fmt.Errorf("memcached %s could not be told of changes: flush it, or rows there may be out of date for TTL, %d seconds", s.addr, l.ttl))
		}
		s.client.Close()
	}
	return errors.Join(errs...)
}
