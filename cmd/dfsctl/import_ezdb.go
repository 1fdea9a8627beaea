package main

import (
	"context"

	"github.com/spf13/cobra"

	"example.com/ezdfs/bulk/ezdb"
	"example.com/ezdfs/bulk/importer"
)

// dsnVariable holds the DSN of the older cluster, for those who do not want its
// password among the arguments, which every user of the host can read.
const dsnVariable = "DFS_EZDB_DSN"

// importEZDBFlags are the flags of import ezdb as they stand.
type importEZDBFlags struct {
	bulkFlags
	config ezdb.Config
}

func newImportEZDB(a *app) *cobra.Command {
	var f importEZDBFlags
	c := &cobra.Command{
		Use: "ezdb [PREFIX] --dsn DSN", Short: "Import the files of the older database cluster", Args: arguments(0, 1),
		Long: `Import the files of the older database cluster (the handlers ezdb and
eZDBFileHandler), whose contents lie in the tables ezdbfile and ezdbfile_data:
those whose path begins with PREFIX, or all. Types, scopes and modification times
are kept; where a row has no scope, as in tables from before 3.10, the path tells
it. Tables of every version are read, none is changed; a user who may SELECT is
enough.

What the cluster has is skipped: equal; newer; expired since it was imported. So
is what has expired in the old one. So the first import can be made while the old
cluster still serves, and the same command takes what has changed since, or goes
on after an interruption. Let nobody write to both at the same time.

A file whose chunks are not all there, or overlap, is named with the place, and
does not stop the others. A store that does not answer is waited for; then its files
are left, and those of the others imported. With --json one document for each file that failed, and
{"summary": {...}}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			prefix, err := importPrefix(args)
			if err != nil {
				return err
			}
			if err := f.check(a); err != nil {
				return err
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				return f.run(cmd.Context(), a, s, prefix)
			})
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.config.DSN, "dsn", "", "database of the old cluster, `DSN` as in user:password@tcp(host:3306)/name (default what "+dsnVariable+" holds)")
	flags.StringVar(&f.config.Table, "table", ezdb.DefaultTable, "`TABLE` of the files")
	flags.StringVar(&f.config.DataTable, "data-table", ezdb.DefaultDataTable, "`TABLE` of their chunks")
	f.add(c, "batches of a hundred files")
	f.addPatience(c)
	return c
}

func (f *importEZDBFlags) check(a *app) error {
	if f.config.DSN == "" {
		f.config.DSN, _ = a.getenv(dsnVariable)
	}
	if f.config.DSN == "" {
		return usagef("which database? Give --dsn, or set %s", dsnVariable)
	}
	return f.bulkFlags.check()
}

func (f *importEZDBFlags) run(ctx context.Context, a *app, s session, prefix string) error {
	source, err := ezdb.Open(ctx, f.config)
	if err != nil {
		return err
	}
	defer source.Close()
	r := newImportRun(a, f.progress)
	r.bulkRun.count = func(ctx context.Context) (int64, error) { return source.Count(ctx, prefix) }
	return r.run(ctx, func(ctx context.Context) error {
		return importer.EZDB(ctx, s.Cluster, source, importer.EZDBOptions{Prefix: prefix, Limits: f.limits, Waiting: f.waiting(a), Counts: r.counts})
	})
}
