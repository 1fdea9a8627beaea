package memcached

import (
	"context"

	"example.com/ezdfs/events"
	"example.com/ezdfs/metadata"
)

// LoadMetadata answers with the row of a path where memcached has one that is
// to be believed, and otherwise prepares for the row that the database will
// return. A server that cannot be asked knows nothing: that of one of several
// is no error, which would have the hub leave the others alone too.
func (l *Listener) LoadMetadata(ctx context.Context, name string) (events.Answer, error) {
	if err := ctx.Err(); err != nil {
		return events.Answer{}, err
	}
	hash := metadata.Hash(name)
	s := l.server(hash)
	if s.owes() {
		return events.Answer{}, nil
	}
	row, known, err := l.load(s, name, hash)
	if err != nil || !known {
		return events.Answer{}, nil // the server's breaker has heard of it
	}
	return events.Answer{Known: true, Exists: true, Row: row}, nil
}

// FileExists is LoadMetadata for who needs name and mtime alone; the legacy
// asks the raw path for it, under which nothing is ever kept.
func (l *Listener) FileExists(ctx context.Context, name string) (events.Answer, error) {
	return l.LoadMetadata(ctx, name)
}

// load returns the row of a path where it is known, and otherwise opens a
// lease, unless there is an error.
func (l *Listener) load(s *server, name, hash string) (metadata.Row, bool, error) {
	keys := l.keys(name, hash)
	items, err := s.get(keys)
	if err != nil {
		return metadata.Row{}, false, err
	}
	now, complete := tokens(keys[1:], items)
	if c, ok := decodeRow(name, items[keys[0]]); ok {
		if believed, err := l.believe(c, hash, now, complete); err != nil || believed {
			return l.withTable(c), believed, err
		}
	}
	if !complete {
		if now, err = l.addTokens(s, keys[1:], now); err != nil || now == nil {
			return metadata.Row{}, false, err
		}
	}
	l.leases.ask(name, now)
	return metadata.Row{}, false, nil
}

// believe decides whether a row is up to date: see the package comment.
func (l *Listener) believe(c cached, hash string, now []string, complete bool) (bool, error) {
	switch {
	case c.own && (!complete || !c.current(now)):
		return false, nil
	case !l.shared:
		return c.own, nil
	case c.row.Trunk == c.row.Name:
		return true, nil
	}
	return l.inTrunkMap(c.row.Trunk, hash)
}

// withTable completes the row with its table.
func (l *Listener) withTable(c cached) metadata.Row {
	if c.row.Table == "" {
		c.row.Table = l.opts.Layout.Table(c.row.Name)
	}
	return c.row
}
