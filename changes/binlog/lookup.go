package binlog

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"example.com/ezdfs/metadata"
)

// chunkSize is how many hashes one statement names.
const chunkSize = 200

// lookup fills in what the log does not tell from the rows that still exist.
func lookup(ctx context.Context, db *sql.DB, table string, list []rowChange) error {
	var hashes []any
	for _, c := range list {
		if c.incomplete() {
			hashes = append(hashes, c.image.hash.value)
		}
	}
	found := make(map[string]image)
	for chunk := range slices.Chunk(hashes, chunkSize) {
		if err := lookupChunk(ctx, db, table, chunk, found); err != nil && number(err) != errNoTable {
			return err
		}
	}
	for i := range list {
		c := &list[i]
		c.image = c.image.or(found[c.image.hash.value])
		if c.kind == "" {
			// A row that is gone was purged later, which the log will tell.
			if c.kind = c.image.kind(); c.kind == "" {
				c.kind = metadata.KindStore
			}
		}
	}
	return nil
}

// incomplete reports whether there is something to look up.
func (c rowChange) incomplete() bool {
	return c.image.hash.known && (c.kind == "" || !c.image.name.known || !c.image.scope.known)
}

func lookupChunk(ctx context.Context, db *sql.DB, table string, hashes []any, found map[string]image) (err error) {
	rows, err := db.QueryContext(ctx, "SELECT `name`, `name_hash`, `scope`, `mtime`, `expired` FROM `"+table+
		"` WHERE `name_hash` IN (?"+strings.Repeat(", ?", len(hashes)-1)+")", hashes...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var i image
		if err := rows.Scan(&i.name.value, &i.hash.value, &i.scope.value, &i.mtime.value, &i.expired.value); err != nil {
			return err
		}
		i.name.known, i.hash.known, i.scope.known, i.mtime.known, i.expired.known = true, true, true, true, true
		i.name.value = metadata.TrueName(i.name.value, i.hash.value)
		found[i.hash.value] = i
	}
	return rows.Err()
}
