package metadata

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Severity tells how bad a [Problem] is.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // the cluster cannot work like this
	SeverityWarning Severity = "warning" // it works, but slower or with limits
)

// Problem is something about the tables that is not as it should be.
type Problem struct {
	Severity Severity `json:"severity"`
	Table    string   `json:"table"`
	Text     string   `json:"text"`
	Fix      string   `json:"fix"` // what the administrator can do; we never alter a legacy table
}

// String is one line for an administrator.
func (p Problem) String() string {
	return fmt.Sprintf("%s: table %s: %s; %s", p.Severity, p.Table, p.Text, p.Fix)
}

// columnRule is what a column of the legacy tables has to be.
type columnRule struct {
	name  string
	kinds []string // types that will do
	chars int      // width of the current schema, 0 where it has none
}

var (
	textKinds    = []string{"text", "mediumtext", "longtext", "varchar"}
	wordKinds    = []string{"varchar", "char"}
	integerKinds = []string{"int", "integer", "bigint", "mediumint", "smallint", "tinyint"}
)

// columnRules are contract section 1. There is no status: it is never used.
var columnRules = []columnRule{
	{"name", textKinds, 0},
	{"name_trunk", textKinds, 0},
	{"name_hash", wordKinds, 0},
	{"datatype", wordKinds, 255},
	{"scope", wordKinds, 25},
	{"size", integerKinds, 0},
	{"mtime", integerKinds, 0},
	{"expired", integerKinds, 0},
}

// indexRules are the secondary indexes: what an index begins with, and how to
// make it.
var indexRules = []struct {
	columns    []string
	name, spec string
}{
	{[]string{"name"}, "ezdfsfile_name", "`name`(250)"},
	{[]string{"name_trunk"}, "ezdfsfile_name_trunk", "`name_trunk`(250)"},
	{[]string{"mtime"}, "ezdfsfile_mtime", "`mtime`"},
	{[]string{"expired", "name"}, "ezdfsfile_expired_name", "`expired`, `name`(250)"},
}

// CheckSchema looks at the tables anew and lists what is missing, unusable or
// slow about them, the errors first in each table.
func (s *Store) CheckSchema(ctx context.Context) ([]Problem, error) {
	if err := s.loadSchema(ctx); err != nil {
		return nil, err
	}
	schema := s.schema.Load()
	var problems []Problem
	for _, table := range s.config.Layout.Tables() {
		info, ok := schema.tables[table]
		if !ok {
			problems = append(problems, Problem{SeverityError, table, "does not exist", "create it with dfsctl schema create"})
			continue
		}
		problems = append(problems, checkStructure(table, info)...)
		problems = append(problems, checkIndexes(table, info)...)
		problems = append(problems, checkWidths(table, info)...)
	}
	problems = append(problems, schema.missing()...)
	for _, index := range schema.missingIndexes() {
		problems = append(problems, Problem{SeverityWarning, index.table,
			"no index on " + index.column + ", so " + index.without, "add it with dfsctl schema create"})
	}
	return problems, nil
}

// ownIndex is a secondary index of one of our own tables that earlier versions
// made without it.
type ownIndex struct {
	table, column string
	name, spec    string // in MySQL; the script for SQLite adds it
	without       string
}

var ownIndexes = []ownIndex{
	{trashTable, "name", "ezdfs_trash_name", "`name`(250)", "all of it is read for what is below a path"},
}

// missingIndexes are those that tables which exist lack.
func (info *schemaInfo) missingIndexes() (missing []ownIndex) {
	for _, index := range ownIndexes {
		table, ok := info.tables[index.table]
		if ok && !slices.ContainsFunc(table.indexes, func(columns []string) bool {
			return len(columns) > 0 && columns[0] == index.column
		}) {
			missing = append(missing, index)
		}
	}
	return missing
}

// missing lists which of our own tables do not exist.
func (info *schemaInfo) missing() (problems []Problem) {
	const create = "create it with dfsctl schema create"
	if !info.journal {
		problems = append(problems, Problem{SeverityWarning, journalTable, "does not exist, so changes are not recorded", create})
	}
	if !info.state {
		problems = append(problems, Problem{SeverityWarning, stateTable, "does not exist, so the journal is never pruned", create})
	}
	if !info.ledger {
		problems = append(problems, Problem{SeverityWarning, ledgerTable, "does not exist, so no cache or CDN can be told of changes", create})
	}
	if !info.migrations {
		problems = append(problems, Problem{SeverityWarning, migrationTable, "or " + rangeTable + " does not exist, so nothing can migrate", create})
	}
	if !info.trash {
		problems = append(problems, Problem{SeverityWarning, trashTable, "does not exist, so nothing can be put into a trash", create})
	}
	return problems
}

// checkStructure finds what makes a table unusable.
func checkStructure(table string, info tableInfo) (problems []Problem) {
	fail := func(fix, format string, args ...any) {
		problems = append(problems, Problem{SeverityError, table, fmt.Sprintf(format, args...), fix})
	}
	for _, rule := range columnRules {
		c, ok := info.columns[rule.name]
		switch {
		case !ok:
			fail("add it as the legacy's schema has it", "column %s is missing", rule.name)
		case !slices.Contains(rule.kinds, c.kind):
			fail("make it "+strings.ToUpper(rule.kinds[0]), "column %s is %s", rule.name, strings.ToUpper(c.kind))
		}
	}
	if len(info.indexes) == 0 || !slices.Equal(info.indexes[0], []string{"name_hash"}) {
		fail("make name_hash the primary key", "the primary key is not name_hash")
	}
	if info.engine != "" && !strings.EqualFold(info.engine, "InnoDB") {
		fail("run ALTER TABLE `"+table+"` ENGINE=InnoDB", "its engine %s has no transactions", info.engine)
	}
	return problems
}

// checkIndexes finds the secondary indexes that are missing, whatever the ones
// that are there are called.
func checkIndexes(table string, info tableInfo) (problems []Problem) {
	for _, rule := range indexRules {
		has := slices.ContainsFunc(info.indexes, func(columns []string) bool {
			return len(columns) >= len(rule.columns) && slices.Equal(columns[:len(rule.columns)], rule.columns)
		})
		if !has {
			problems = append(problems, Problem{SeverityWarning, table,
				"no index on " + strings.Join(rule.columns, ", ") + ", so expiry and listings scan the table",
				fmt.Sprintf("run CREATE INDEX `%s` ON `%s` (%s)", rule.name, table, rule.spec)})
		}
	}
	return problems
}

// checkWidths finds the columns that hold less than those of the current
// schema.
func checkWidths(table string, info tableInfo) (problems []Problem) {
	for _, rule := range columnRules {
		c := info.columns[rule.name]
		if c.chars > 0 && c.chars < rule.chars {
			problems = append(problems, Problem{SeverityWarning, table,
				fmt.Sprintf("column %s holds %d characters, not %d; longer values are refused", rule.name, c.chars, rule.chars),
				fmt.Sprintf("widen it to VARCHAR(%d) if you need them", rule.chars)})
		}
	}
	if c := info.columns["name"].charset; c != "" && c != "utf8mb4" {
		problems = append(problems, Problem{SeverityWarning, table,
			"its charset " + c + " lacks characters that file names may have; such names are refused",
			"run ALTER TABLE `" + table + "` CONVERT TO CHARACTER SET utf8mb4 if you need them"})
	}
	return problems
}
