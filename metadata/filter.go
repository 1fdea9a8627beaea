package metadata

import (
	"slices"
)

// Filter selects rows. The zero Filter selects all rows of both tables.
type Filter struct {
	// Tables restricts to these tables of the layout.
	Tables []string
	// Prefix is what the name begins with, byte by byte: not a directory.
	Prefix string
	// Trunk is what name_trunk is, byte by byte.
	Trunk string
	// Scopes and ExcludeScopes restrict by scope; empty means any and none.
	Scopes        []string
	ExcludeScopes []string
	// Expired restricts by the flag of that name.
	Expired *bool
	// Negative keeps the rows whose mtime is below -1: expired, as the legacy
	// understands it, whatever the flag says. (It stores -1 for a file of 1970.)
	Negative bool
	// MTimeBefore keeps the files last changed before that Unix second,
	// whether or not they have expired since; 0 means any.
	MTimeBefore int64
	// HashFrom (inclusive), After (exclusive) and HashTo (exclusive) bound the
	// name_hash, to split work or to resume it. Each may be a full hash or the
	// beginning of one.
	HashFrom, After, HashTo string
	// ByHash reads along the primary key even where an index would find the rows:
	// for one range of name_hash among many, which together are the whole table.
	ByHash bool
	// PageSize is how many rows one query fetches; 0 means 1000.
	PageSize int
	// Replica allows reading from the replica, which may lag.
	Replica bool

	pattern    string // name, or that of a generation's lock without its suffix, matches this LIKE pattern, approximately
	generating bool   // locks of generations alone
}

// selective is the part of the filter for which the tables have an index; it
// has no conditions when that does not narrow anything down.
func (f Filter) selective(s *Store, table string) condition {
	d := s.dialect
	var c condition
	if f.Prefix != "" {
		c.and(d.hasPrefix("`name`", s.schema.Load().tables[table].columns["name"].charset, f.Prefix))
	}
	if f.Trunk != "" {
		c.and(d.equals("`name_trunk`", f.Trunk))
	}
	if f.Expired != nil && *f.Expired {
		c.and(condition{"`expired` = ?", []any{1}})
	}
	if f.Negative {
		c.and(condition{"`mtime` < ?", []any{-1}})
	}
	return c
}

// rest is the part of the filter that is tested row by row.
func (f Filter) rest() condition {
	var c condition
	if f.pattern != "" {
		c.and(condition{"(`name` LIKE ? ESCAPE '|' OR `name` LIKE ? ESCAPE '|')", []any{f.pattern, f.pattern + GeneratingSuffix}})
	}
	if len(f.Scopes) > 0 {
		c.and(condition{"`scope` IN (" + placeholders(len(f.Scopes)) + ")", anys(f.Scopes)})
	}
	if len(f.ExcludeScopes) > 0 {
		c.and(condition{"`scope` NOT IN (" + placeholders(len(f.ExcludeScopes)) + ")", anys(f.ExcludeScopes)})
	}
	if f.Expired != nil {
		c.and(condition{"`expired` = ?", []any{boolInt(*f.Expired)}})
	}
	if f.Negative {
		c.and(condition{"`mtime` < ?", []any{-1}})
	}
	if f.MTimeBefore > 0 {
		c.and(condition{"ABS(`mtime`) < ?", []any{f.MTimeBefore}})
	}
	return c
}

// locks is the condition of generating.
func (f Filter) locks() condition {
	if !f.generating {
		return condition{}
	}
	return condition{"`name` LIKE ?", []any{"%" + GeneratingSuffix}}
}

// bounds is the part of the filter that is about name_hash.
func (f Filter) bounds() condition {
	var c condition
	for _, b := range []struct{ op, value string }{{">=", f.HashFrom}, {">", f.After}, {"<", f.HashTo}} {
		if b.value != "" {
			c.and(condition{"`name_hash` " + b.op + " ?", []any{b.value}})
		}
	}
	return c
}

// and adds a condition.
func (c *condition) and(other condition) {
	if other.sql == "" {
		return
	}
	if c.sql != "" {
		c.sql += " AND "
	}
	c.sql += other.sql
	c.args = append(slices.Clip(c.args), other.args...)
}

// where makes a WHERE clause of conditions.
func where(conditions ...condition) (string, []any) {
	var all condition
	for _, c := range conditions {
		all.and(c)
	}
	if all.sql == "" {
		return "", nil
	}
	return " WHERE " + all.sql, all.args
}

func anys(values []string) []any {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return args
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
