package binlog

import (
	"context"
	"strconv"
	"strings"

	"github.com/go-mysql-org/go-mysql/replication"
)

// liveTables is tables as the server has them.
type liveTables struct {
	source *Source
	server *server
	known  schema // nil until it is needed
	// committed is what was visible when it was last asked for.
	committed committed
	// lost is the error of a stream that cannot go on where it stands.
	lost func(reason string) error
}

var _ tables = (*liveTables)(nil)

func (t *liveTables) columns(ctx context.Context, table *replication.TableMapEvent) (columns, error) {
	if t.known == nil {
		err := t.source.limited(ctx, func(ctx context.Context) (err error) {
			t.known, err = loadSchema(ctx, t.source.db, t.source.tables)
			return err
		})
		if err != nil {
			return columns{}, t.server.classify("ask for columns", err)
		}
	}
	c, err := t.known.columns(table)
	if err != nil {
		err = t.lost(err.Error())
	}
	return c, err
}

func (t *liveTables) lookup(ctx context.Context, table string, list []rowChange) error {
	for _, name := range t.source.tables {
		if strings.EqualFold(name, table) {
			err := t.source.limited(ctx, func(ctx context.Context) error { return lookup(ctx, t.source.db, name, list) })
			return t.server.classify("look up names", err)
		}
	}
	return nil
}

func (t *liveTables) ours(table *replication.TableMapEvent) bool { return t.source.ours(table) }

func (t *liveTables) effect(e *replication.QueryEvent) effect {
	return effectOf(string(e.Query), string(e.Schema), t.source.config.Name, t.source.tables)
}

func (t *liveTables) lose(reason string) error { return t.lost(reason) }

func (t *liveTables) reload() { t.known = nil }

func (t *liveTables) host(id uint32) string {
	if id == t.server.id {
		return t.server.host
	}
	return strconv.FormatUint(uint64(id), 10)
}
