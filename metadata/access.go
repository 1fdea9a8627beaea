package metadata

import (
	"context"
	"errors"
)

// Version returns what the engine calls itself: "10.11.6-MariaDB",
// "SQLite 3.46.0".
func (s *Store) Version(ctx context.Context) (string, error) {
	text := "SELECT VERSION()"
	if s.config.Engine == SQLite {
		text = "SELECT 'SQLite ' || sqlite_version()"
	}
	var version string
	err := s.pools.write.QueryRowContext(ctx, text).Scan(&version)
	return version, s.wrap("ask the version of", s.config.Name, err)
}

// accessProbes are statements that need a privilege and change nothing.
var accessProbes = []struct{ privilege, before, after string }{
	{"SELECT", "SELECT COUNT(*) FROM ", " WHERE 1 = 0"},
	{"INSERT", "INSERT INTO ", " (" + columns + ") SELECT " + columns + " FROM "},
	{"UPDATE", "UPDATE ", " SET `mtime` = `mtime` WHERE 1 = 0"},
	{"DELETE", "DELETE FROM ", " WHERE 1 = 0"},
}

// CheckAccess tries whether the user may read, insert, update and delete rows
// of the tables that exist, without changing any. The error joins one for each
// privilege that is missing.
func (s *Store) CheckAccess(ctx context.Context) error {
	schema := s.schema.Load()
	var errs []error
	for _, table := range s.config.Layout.Tables() {
		if _, ok := schema.tables[table]; !ok {
			continue
		}
		for _, probe := range accessProbes {
			text := probe.before + quoted(table) + probe.after
			if probe.privilege == "INSERT" {
				text += quoted(table) + " WHERE 1 = 0"
			}
			if _, err := s.pools.write.ExecContext(ctx, text); err != nil {
				errs = append(errs, s.wrap("try "+probe.privilege+" on", table, err))
			}
		}
	}
	return errors.Join(errs...)
}
