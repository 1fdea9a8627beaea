package memcached

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"

	"example.com/ezdfs/metadata"
)

const (
	// flagPHP marks a value that PHP's client serialized, in the low 16 bits;
	// other serializers and compressed values have other bits there.
	flagPHP     = 4
	flagsOfType = 0xffff

	// ownElement is the element of a row that only we write and read: the row's
	// table and the values of its tokens, separated by spaces.
	ownElement = "ezdfs"
)

// cached is a row as memcached has it.
type cached struct {
	row metadata.Row
	// own is set for rows that an ezdfs host stored, with these tokens.
	own    bool
	tokens []string
}

// encodeRow writes a row as PHP's listener does, all values as the strings that
// a text query returns, and our own element.
func encodeRow(row metadata.Row, tokens []string) *memcache.Item {
	expired := "0"
	if row.Expired {
		expired = "1"
	}
	value := appendPHP(nil, phpArray{
		{"name", row.Name},
		{"name_trunk", row.Trunk},
		{"name_hash", row.Hash()},
		{"datatype", row.DataType},
		{"scope", row.Scope},
		{"size", strconv.FormatInt(row.Size, 10)},
		{"mtime", strconv.FormatInt(row.MTime, 10)},
		{"expired", expired},
		{ownElement, row.Table + " " + strings.Join(tokens, " ")},
	})
	return &memcache.Item{Value: value, Flags: flagPHP}
}

// decodeRow reads the row of a path. What is not one is reported as not there:
// other serializers, compressed values, other paths, what somebody else keeps
// under the key.
func decodeRow(name string, item *memcache.Item) (c cached, ok bool) {
	array, ok := decodeArray(item)
	if !ok {
		return cached{}, false
	}
	f := fields{array: array}
	c.row = metadata.Row{
		Name: f.text("name"), Trunk: f.text("name_trunk"),
		DataType: f.text("datatype"), Scope: f.text("scope"),
		Size: f.number("size"), MTime: f.number("mtime"), Expired: f.number("expired") != 0,
	}
	if f.bad || c.row.Name != name || c.row.Size < 0 {
		return cached{}, false
	}
	if own, is := array.get(ownElement).(string); is {
		parts := strings.Split(own, " ")
		c.own, c.row.Table, c.tokens = true, parts[0], parts[1:]
	}
	return c, true
}

// decodeArray reads a serialized array, or reports that an item is none.
func decodeArray(item *memcache.Item) (phpArray, bool) {
	if item == nil || item.Flags&flagsOfType != flagPHP {
		return nil, false
	}
	value, err := parsePHP(item.Value)
	if err != nil {
		return nil, false
	}
	array, ok := value.(phpArray)
	return array, ok
}

// fields reads elements of a row, and notes when one is missing.
type fields struct {
	array phpArray
	bad   bool
}

func (f *fields) text(key string) string {
	text, ok := f.array.get(key).(string)
	f.bad = f.bad || !ok
	return text
}

// number reads an integer, which PHP has as a string or, with the native
// driver's prepared statements, as a number.
func (f *fields) number(key string) int64 {
	switch v := f.array.get(key).(type) {
	case int64:
		return v
	case bool:
		if v {
			return 1
		}
		return 0
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		f.bad = f.bad || err != nil
		return n
	}
	f.bad = true
	return 0
}

// current reports whether a row's tokens are those that there are now.
func (c cached) current(now []string) bool { return slices.Equal(c.tokens, now) }
