package doctor

import (
	"context"

	"example.com/ezdfs/metadata"
)

// examineDatabase asks the database who it is, whether the tables are as they
// should be and whether we may use them.
func (o Options) examineDatabase(ctx context.Context) []Finding {
	const subject = "database"
	failed := func(err error) []Finding {
		return []Finding{{Fail, subject, withoutName("metadata", err), o.placeOf(subject)}}
	}
	config, err := metadata.ConfigFrom(o.Settings)
	if err != nil {
		return failed(err)
	}
	config.ConnectRetries, config.Logger = 0, o.Logger
	store, err := metadata.Open(ctx, config)
	if err != nil {
		return failed(err)
	}
	defer store.Close()
	version, err := store.Version(ctx)
	if err != nil {
		return failed(err)
	}
	findings := []Finding{{Status: OK, Subject: subject, Text: "reachable: " + version}}
	problems, err := store.CheckSchema(ctx)
	if err != nil {
		return append(findings, failed(err)...)
	}
	findings = append(findings, schemaFindings(problems)...)
	if err := store.CheckAccess(ctx); err != nil {
		return append(findings, failed(err)...)
	}
	findings = append(findings, Finding{Status: OK, Subject: subject, Text: "rows can be read and written"})
	return append(findings, o.migrationFindings(ctx, store)...)
}

func schemaFindings(problems []metadata.Problem) []Finding {
	if len(problems) == 0 {
		return []Finding{{Status: OK, Subject: "tables", Text: "as they should be"}}
	}
	var findings []Finding
	for _, p := range problems {
		status := Warn
		if p.Severity == metadata.SeverityError {
			status = Fail
		}
		findings = append(findings, Finding{status, "tables", p.Table + ": " + p.Text, p.Fix})
	}
	return findings
}
