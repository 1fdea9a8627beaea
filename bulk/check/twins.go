package check

import (
	"cmp"
	"context"
	"crypto/md5"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"example.com/ezdfs/metadata"
)

// fold spools a live row under the hash of its name in lower case.
func (r *run) fold(h hash, row metadata.Row) error {
	if r.folded == nil || !row.Live() {
		return nil
	}
	var buffer [256]byte
	folded := appendLower(buffer[:0], row.Name)
	var fields [17]byte
	copy(fields[:], h[:])
	if row.Table == metadata.StorageTable {
		fields[16] = 1
	}
	return r.folded.add(hash(md5.Sum(folded)), fields[:])
}

// appendLower appends a name in lower case.
func appendLower(buffer []byte, name string) []byte {
	for i := range len(name) {
		c := name[i]
		if c >= utf8.RuneSelf {
			return append(buffer[:0], strings.ToLower(name)...)
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buffer = append(buffer, c)
	}
	return buffer
}

// twin is a row by the hash of its name in lower case.
type twin struct {
	fold, name hash
	table      byte
}

// twins looks for live rows of one table whose names differ in case only.
func (r *run) twins(ctx context.Context, look *inspector) error {
	if r.folded == nil {
		return nil
	}
	var list []twin
	for _, part := range spans(r.span, r.folded.counts(), r.spanSize) {
		if err := r.stopped(ctx); err != nil {
			return err
		}
		groups, err := r.twinsOf(part, &list)
		if err != nil {
			return err
		}
		for _, group := range groups {
			if err := look.twins(group); err != nil {
				return err
			}
		}
	}
	return nil
}

// twinsOf returns the groups of rows in a range that have equal names but for
// the case.
func (r *run) twinsOf(part span, buffer *[]twin) (groups [][]twin, err error) {
	list := (*buffer)[:0]
	err = r.folded.read(part, func(h hash, fields []byte) error {
		list = append(list, twin{h, hash(fields[:16]), fields[16]})
		return nil
	})
	slices.SortFunc(list, func(a, b twin) int {
		return cmp.Or(compareHashes(a.fold, b.fold), cmp.Compare(a.table, b.table), compareHashes(a.name, b.name))
	})
	*buffer = list
	for len(list) > 1 {
		n := 1
		for n < len(list) && list[n].fold == list[0].fold && list[n].table == list[0].table {
			n++
		}
		if n > 1 {
			groups = append(groups, slices.Clone(list[:n]))
		}
		list = list[n:]
	}
	return groups, err
}

// inspectTwins reads the rows of a group and tells those that still are twins.
func (r *run) inspectTwins(ctx context.Context, group []twin) error {
	first := map[string]string{} // by table and name in lower case
	for _, t := range group {
		text := fmt.Sprintf("%x", t.name)
		for row, err := range r.c.Metadata().Scan(ctx, metadata.Filter{HashFrom: text, HashTo: text + "0", PageSize: 2}) {
			if err != nil {
				return err
			}
			if !row.Live() || row.Table != r.layout.Table(row.Name) {
				continue
			}
			key := row.Table + ":" + string(appendLower(nil, row.Name))
			other, ok := first[key]
			if !ok {
				first[key] = row.Name
			} else if other != row.Name {
				r.found(Finding{Kind: CaseTwin, Name: row.Name, Table: row.Table, Detail: fmt.Sprintf("the twin of %q", other)})
			}
		}
	}
	return nil
}
