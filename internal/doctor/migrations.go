package doctor

import (
	"context"
	"fmt"
	"slices"

	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// migrationFindings names the lines MigrateFrom that no migration needs any more:
// dfsctl migrate --finish removes them on its own host only.
func (o Options) migrationFindings(ctx context.Context, store *metadata.Store) []Finding {
	lines := o.Settings.Migrations()
	if len(lines) == 0 {
		return nil
	}
	const subject = "migrations"
	known, err := store.Migrations(ctx)
	if err != nil {
		return []Finding{{Warn, subject, err.Error(), ""}}
	}
	var findings []Finding
	for _, line := range lines {
		to, _ := o.Settings.RouteOf(line.Prefix)
		if finished(known, line, to) {
			findings = append(findings, Finding{Warn, subject,
				fmt.Sprintf("%s: MigrateFrom[%s]=%s is not needed any more, that migration is finished", line.Origin, line.Prefix, line.Backend),
				"remove the line and restart what reads it"})
		}
	}
	return findings
}

// finished reports whether the migration that a line is for is.
func finished(known []metadata.Migration, line settings.Rule, to string) bool {
	return slices.ContainsFunc(known, func(m metadata.Migration) bool {
		return m.Kind == metadata.MigrationCopy && m.State == metadata.MigrationFinished &&
			m.Prefix == line.Prefix && m.Source == line.Backend && m.Target == to
	})
}
