package binlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-mysql-org/go-mysql/replication"

	"example.com/ezdfs/changes"
)

// How long to wait before connecting again.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
)

// errStopped says that the consumer wants no more.
var errStopped = errors.New("stopped")

// stream is one call of Changes.
type stream struct {
	source *Source
	after  changes.Position
	follow bool
	yield  func(changes.Change, error) bool

	at    place // where to resume; no state until the server was asked
	until state // where to end, without follow
	wait  time.Duration
}

// run yields changes until the end, and connects again after outages.
func (s *stream) run(ctx context.Context) {
	for {
		err := s.connect(ctx)
		switch {
		case errors.Is(err, errStopped), s.follow && ctx.Err() != nil:
			return
		case ctx.Err() != nil:
			s.yield(changes.Change{}, ctx.Err())
			return
		case errors.Is(err, io.EOF) && !s.follow:
			return
		case !s.follow || !mendable(err):
			s.yield(changes.Change{}, err)
			return
		}
		s.pause(ctx, err)
	}
}

// pause waits before the next attempt, longer from one to the next.
func (s *stream) pause(ctx context.Context, err error) {
	if lost := (outage{}); s.wait == 0 || !errors.As(err, &lost) {
		s.source.logger.Warn("the binary log cannot be read; connecting again until it can", "error", err)
	}
	s.wait = min(max(2*s.wait, firstWait), lastWait)
	sleep(ctx, s.wait)
}

// connect reads the log once, until an error. io.EOF is its end.
func (s *stream) connect(ctx context.Context) error {
	server, err := s.source.ask(ctx)
	if err != nil {
		return err
	}
	if err := s.locate(ctx, server); err != nil {
		return err
	}
	if s.until != nil && s.at.rows == 0 && s.at.state.reached(s.until) {
		return io.EOF
	}
	c, err := s.source.dial(ctx)
	if err != nil {
		return server.logError(s.after, err)
	}
	defer c.close()
	if err := c.request(s.at.state, s.source.heartbeat, s.follow); err != nil {
		return server.logError(s.position(), err)
	}
	return s.read(ctx, server, c)
}

// locate finds out where to begin and to end.
func (s *stream) locate(ctx context.Context, server *server) (err error) {
	if s.at.state == nil {
		if s.at, err = s.source.begin(ctx, server, s.after); err != nil {
			return err
		}
	}
	if err := server.accepts(s.at.state); err != nil {
		return &changes.LostError{Source: sourceName, Position: s.position(), Reason: err.Error()}
	}
	if !s.follow && s.until == nil {
		s.until, err = s.source.head(ctx, server)
	}
	return err
}

// accepts says why a state cannot be one of the server.
func (s *server) accepts(at state) error {
	want := kindFile
	switch {
	case s.mariadb:
		want = kindMariaDB
	case s.gtid:
		want = kindMySQL
	}
	if at.kind() != want {
		return fmt.Errorf("it is of a server of another kind (%s, here %s)", at.kind(), want)
	}
	if f, ok := at.(*fileState); ok && f.server != s.uuid {
		return fmt.Errorf("it is of the server %s, this one is %s", f.server, s.uuid)
	}
	return nil
}

// position is where to resume, as text.
func (s *stream) position() changes.Position {
	if s.at.state == nil {
		return s.after
	}
	if m, ok := s.at.state.(*mariadbState); ok && m.first {
		return s.after
	}
	return s.at.position()
}

// read yields what a connection brings.
func (s *stream) read(ctx context.Context, server *server, c *conn) error {
	tables := &liveTables{source: s.source, server: server}
	d := newDecoder(tables, s.at)
	tables.lost = func(reason string) error {
		s.at = d.place()
		return &changes.LostError{Source: sourceName, Position: s.position(), Reason: reason}
	}
	defer func() { s.at = d.place() }()
	for passed := 0; ; passed = d.passed {
		event, err := c.next()
		switch {
		case errors.Is(err, io.EOF) && !s.follow:
			return err
		case err != nil:
			s.at = d.place()
			return server.logError(s.position(), err)
		}
		s.recovered()
		if isHeartbeat(event) {
			if s.at = d.place(); s.follow {
				err = s.checkLog(ctx, server)
			}
			if err != nil {
				return err
			}
		}
		list, err := d.event(ctx, event)
		if err != nil {
			return err
		}
		for _, change := range list {
			if !s.yield(change, nil) {
				return errStopped
			}
		}
		if s.until != nil && d.passed > passed && d.state.reached(s.until) {
			return io.EOF
		}
	}
}

// isHeartbeat reports whether a server said that it has nothing to tell.
func isHeartbeat(event *replication.BinlogEvent) bool {
	return event.Header.EventType == replication.HEARTBEAT_EVENT || event.Header.EventType == replication.HEARTBEAT_LOG_EVENT_V2
}

// checkLog makes sure that the log is still the one that was read so far: a
// server whose logs were reset goes on sending heartbeats, and nothing else.
// That it cannot be asked now shows elsewhere.
func (s *stream) checkLog(ctx context.Context, server *server) error {
	head, err := s.source.head(ctx, server)
	if err != nil || !s.at.state.beyond(head) {
		return nil
	}
	return &changes.LostError{Source: sourceName, Position: s.position(), Reason: "the server's logs were reset"}
}

// recovered ends an outage.
func (s *stream) recovered() {
	if s.wait > 0 {
		s.source.logger.Info("the binary log is read again")
		s.wait = 0
	}
}
