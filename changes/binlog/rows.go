package binlog

import (
	"strings"

	"github.com/go-mysql-org/go-mysql/replication"
	"golang.org/x/text/encoding/charmap"

	"example.com/ezdfs/metadata"
)

// image is what the log tells of one row, before or after it was changed. With
// minimal images most of it may be missing.
type image struct {
	name, hash, scope optional[string]
	mtime             optional[int64]
	expired           optional[int64]
}

// optional is a value that may be missing.
type optional[T any] struct {
	value T
	known bool
}

func (o optional[T]) or(other optional[T]) optional[T] {
	if o.known {
		return o
	}
	return other
}

// or fills in what is missing from another image.
func (i image) or(other image) image {
	return image{
		i.name.or(other.name), i.hash.or(other.hash), i.scope.or(other.scope),
		i.mtime.or(other.mtime), i.expired.or(other.expired),
	}
}

// live says whether the row is live (contract section 1), if that is known.
func (i image) live() (live, known bool) {
	if i.expired.known && i.expired.value != 0 || i.mtime.known && i.mtime.value < 0 {
		return false, true
	}
	return true, i.expired.known && i.mtime.known
}

// image reads one row.
func (c columns) image(row []any) image {
	i := image{
		name: text(row, c.name), hash: text(row, c.hash), scope: text(row, c.scope),
		mtime: integer(row, c.mtime), expired: integer(row, c.expired),
	}
	if i.name.known {
		i.name.value = trueName(i.name.value, i.hash.value)
	}
	return i
}

func text(row []any, column int) (o optional[string]) {
	if column < 0 || column >= len(row) {
		return o
	}
	switch value := row[column].(type) {
	case string:
		return optional[string]{value, true}
	case []byte:
		return optional[string]{string(value), true}
	}
	return o
}

func integer(row []any, column int) (o optional[int64]) {
	if column < 0 || column >= len(row) {
		return o
	}
	switch value := row[column].(type) {
	case int8:
		return optional[int64]{int64(value), true}
	case int16:
		return optional[int64]{int64(value), true}
	case int32:
		return optional[int64]{int64(value), true}
	case int64:
		return optional[int64]{value, true}
	}
	return o
}

// trueName returns the bytes that the hash was made of. A row of the log holds
// what is in the table: where the table is latin1, bytes of that.
func trueName(stored, hash string) string {
	name := metadata.TrueName(stored, hash)
	if metadata.Hash(name) == hash {
		return name
	}
	if latin1, err := charmap.Windows1252.NewDecoder().String(stored); err == nil && metadata.Hash(latin1) == hash {
		return latin1
	}
	return name
}

// rowChange is what became of one row.
type rowChange struct {
	kind  metadata.Kind // "" until the row is known to be live or not
	image image
	row   int // its number in the transaction, see decoder.rows
}

// defaults is what the columns of a new row hold that a minimal image leaves
// out (contract section 1).
var defaults = image{scope: optional[string]{"", true}, mtime: optional[int64]{0, true}, expired: optional[int64]{0, true}}

// rowChanges reads an event. A row whose key has changed is two changes.
func rowChanges(event *replication.RowsEvent, c columns, first int) (list []rowChange) {
	add := func(kind metadata.Kind, i image) {
		first++
		list = append(list, rowChange{kind, i, first})
	}
	switch event.Type() {
	case replication.EnumRowsEventTypeInsert:
		for _, row := range event.Rows {
			i := c.image(row).or(defaults)
			add(i.kind(), i)
		}
	case replication.EnumRowsEventTypeDelete:
		for _, row := range event.Rows {
			add(metadata.KindPurge, c.image(row))
		}
	case replication.EnumRowsEventTypeUpdate:
		for pair := 0; pair+1 < len(event.Rows); pair += 2 {
			before, after := c.image(event.Rows[pair]), c.image(event.Rows[pair+1])
			if after.hash.known && before.hash.known && after.hash.value != before.hash.value {
				add(metadata.KindPurge, before)
			} else {
				after.name = after.name.or(before.name)
			}
			after = after.or(image{hash: before.hash, scope: before.scope, mtime: before.mtime, expired: before.expired})
			add(after.kind(), after)
		}
	}
	return list
}

// kind is what a row became by being written, "" where that is not known.
func (i image) kind() metadata.Kind {
	switch live, known := i.live(); {
	case !known:
		return ""
	case live:
		return metadata.KindStore
	}
	return metadata.KindExpire
}

// isLock reports whether a name is that of a lock of the cache generation
// (contract section 3).
func isLock(name string) bool { return strings.HasSuffix(name, ".generating") }
