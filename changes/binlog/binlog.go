package binlog

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"iter"
	"log/slog"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/replication"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

const sourceName = "binlog"

// Source reads the binary log of one server. Every stream has a connection of
// its own.
type Source struct {
	config    metadata.Config
	tables    []string
	db        *sql.DB
	logger    *slog.Logger
	heartbeat time.Duration
	patience  time.Duration // for answers
	remarks   []Remark
}

var _ changes.Source = (*Source)(nil)

// Open connects to the server of a configuration and makes sure that its
// binary log can be read. Where that is not so, the error is an
// *[UnavailableError]; a server that is down is another error. User and
// Password of the configuration are those that read the log; the user needs
// REPLICATION SLAVE, for MySQL without GTIDs also REPLICATION CLIENT, and
// SELECT on the two tables.
func Open(ctx context.Context, c metadata.Config) (*Source, error) {
	if c.Engine != metadata.MySQL {
		return nil, &UnavailableError{Reason: string(c.Engine) + " has no binary log", Fix: "use the journal, or DBBackend=MySQL"}
	}
	db, err := metadata.Server(c)
	if err != nil {
		return nil, err
	}
	s := &Source{config: c, tables: c.Layout.Tables(), db: db, logger: c.Logger, heartbeat: heartbeat, patience: dialTimeout}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if err := s.try(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// try does all that takes a privilege.
func (s *Source) try(ctx context.Context) error {
	server, err := s.ask(ctx)
	if number(err) == errDatabase {
		return s.stranger(ctx, err)
	}
	if err != nil {
		return err
	}
	s.remarks = server.remarks()
	for _, table := range s.tables {
		_, err := s.db.ExecContext(ctx, "SELECT 1 FROM `"+table+"` WHERE 1 = 0")
		if number(err) == errTable {
			return blind(server.user, s.config.Name, err)
		}
		if err != nil && number(err) != errNoTable {
			return server.classify("read the tables", err)
		}
	}
	return s.tryLog(ctx, server)
}

// tryLog begins to read at the end of the log.
func (s *Source) tryLog(ctx context.Context, server *server) error {
	head, err := s.head(ctx, server)
	if err != nil {
		return err
	}
	c, err := s.dial(ctx)
	if err != nil {
		return server.logError("", err)
	}
	defer c.close()
	if err := c.request(head, s.heartbeat, false); err != nil {
		return server.logError("", err)
	}
	if _, err := c.next(); err != nil && !errors.Is(err, io.EOF) {
		return server.logError("", err)
	}
	return nil
}

// stranger is the error of a user who may not use the database. Only a
// connection without one tells which account it is.
func (s *Source) stranger(ctx context.Context, refused error) error {
	c, err := s.dial(ctx)
	if err != nil {
		return refused
	}
	defer c.close()
	result, err := c.c.Execute("SELECT CURRENT_USER()")
	if err != nil {
		return refused
	}
	user, err := result.GetString(0, 0)
	if err != nil {
		return refused
	}
	return blind(account(user), s.config.Name, refused)
}

// Name implements changes.Source.
func (s *Source) Name() string { return sourceName }

// Remarks returns what about the server, as it was when it was opened, works
// but could be better.
func (s *Source) Remarks() []Remark { return s.remarks }

// Head implements changes.Source.
func (s *Source) Head(ctx context.Context) (changes.Position, error) {
	server, err := s.ask(ctx)
	if err != nil {
		return "", err
	}
	head, err := s.head(ctx, server)
	if err != nil {
		return "", err
	}
	return place{state: head}.position(), nil
}

// Changes implements changes.Source.
func (s *Source) Changes(ctx context.Context, after changes.Position, follow bool) iter.Seq2[changes.Change, error] {
	return func(yield func(changes.Change, error) bool) {
		(&stream{source: s, after: after, follow: follow, yield: yield}).run(ctx)
	}
}

// Close implements changes.Source.
func (s *Source) Close() error { return s.db.Close() }

// ask reads the server's settings, and returns an error where they rule the
// log out.
func (s *Source) ask(ctx context.Context) (*server, error) {
	var server server
	err := s.limited(ctx, func(ctx context.Context) (err error) {
		server, err = askServer(ctx, s.db)
		return err
	})
	if err != nil {
		return nil, server.classify("ask for the server's settings", err)
	}
	return &server, server.check()
}

func (s *Source) head(ctx context.Context, server *server) (state, error) {
	return s.ends(ctx, server, server.head)
}

// ends asks for an end of the log.
func (s *Source) ends(ctx context.Context, server *server, which func(context.Context, *sql.DB) (state, error)) (end state, err error) {
	err = s.limited(ctx, func(ctx context.Context) (err error) {
		end, err = which(ctx, s.db)
		return err
	})
	return end, server.classify("ask where the log ends", err)
}

// begin finds the place of a position.
func (s *Source) begin(ctx context.Context, server *server, after changes.Position) (place, error) {
	switch after {
	case changes.Newest:
		head, err := s.head(ctx, server)
		return place{state: head}, err
	case changes.Oldest:
		oldest, err := s.ends(ctx, server, server.oldest)
		return place{state: oldest}, err
	}
	return parsePlace(after)
}

// ours reports whether a table is one of the two.
func (s *Source) ours(table *replication.TableMapEvent) bool {
	if !strings.EqualFold(string(table.Schema), s.config.Name) {
		return false
	}
	for _, name := range s.tables {
		if strings.EqualFold(name, string(table.Table)) {
			return true
		}
	}
	return false
}
