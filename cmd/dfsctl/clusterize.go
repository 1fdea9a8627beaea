package main

import (
	"context"
	"database/sql"
	"iter"
	"path"

	"github.com/go-sql-driver/mysql"
	"github.com/spf13/cobra"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/settings"
)

// clusterizeFlags are the flags of clusterize as they stand.
type clusterizeFlags struct {
	scope     string
	contentDB string
	skip      map[string]*bool // by scope
	options   bulk.ClusterizeOptions
	bulk      bulkFlags
}

func newClusterize(a *app) *cobra.Command {
	var f clusterizeFlags
	c := &cobra.Command{
		Use: "clusterize (PATH... | --content-db DSN)", Short: "Store the site's local files", Args: arguments(0, -1),
		Long: `Store local files under their own paths: all below each PATH, which is relative
to the site root, or with --content-db those that the tables ezimagefile,
ezbinaryfile and ezmedia of the site's content database name.

A PATH may be a symbolic link, or lead through one, as where var is kept on another
disk; files have the names by which the site knows them. Links to directories below
a PATH are named and not followed.

The scope is told from the path unless --scope gives it, the type from the
contents, and the modification time is kept. A file that is stored already, with
the same size and time, is skipped, so that the same command goes on after an
interruption. A file that fails does not stop the others. A store that does not
answer is waited for; then its files are left, those of the others are stored,
and one error says so. The same command takes the rest when it is back.

With --json one document for each file that failed, and {"summary": {...}}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				return f.run(cmd.Context(), a, s, args)
			})
		},
	}
	f.add(c)
	return c
}

func (f *clusterizeFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.scope, "scope", "", "`SCOPE` of all files below PATH")
	flags.StringVar(&f.contentDB, "content-db", "", "content database, `DSN` as in user:password@tcp(host:3306)/name")
	flags.BoolVar(&f.options.Remove, "remove", false, "remove each local file once it is stored")
	f.bulk.add(c, "batches of a hundred files")
	f.bulk.addPatience(c)
	f.skip = map[string]*bool{
		"binaryfile": flags.Bool("skip-binary-files", false, "leave out ezbinaryfile (with --content-db)"),
		"mediafile":  flags.Bool("skip-media-files", false, "leave out ezmedia (with --content-db)"),
		"image":      flags.Bool("skip-images", false, "leave out ezimagefile (with --content-db)"),
	}
}

func (f *clusterizeFlags) check(paths []string) error {
	switch {
	case len(paths) == 0 && f.contentDB == "":
		return usagef("nothing to store: give paths below the site root, such as var/site/storage, or --content-db")
	case len(paths) > 0 && f.contentDB != "":
		return usagef("give either paths or --content-db")
	case f.scope != "" && f.contentDB != "":
		return usagef("--scope is for paths: the content database knows the scopes of its files")
	case len(f.skipped()) > 0 && f.contentDB == "":
		return usagef("--skip-binary-files, --skip-media-files and --skip-images are for --content-db")
	}
	return f.bulk.check()
}

func (f *clusterizeFlags) skipped() (scopes []string) {
	for scope, skip := range f.skip {
		if *skip {
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

func (f *clusterizeFlags) run(ctx context.Context, a *app, s session, paths []string) error {
	r := &bulkRun{a: a, verb: "stored", mode: f.bulk.progress, progress: new(bulk.Progress)}
	f.options.Progress, f.options.Limits, f.options.Waiting = r.progress, f.bulk.limits, f.bulk.waiting(a)
	links := linkNotes{a: a}
	options := bulk.TreeOptions{Scope: f.scope, Layout: s.Metadata().Layout(), Skip: mounts(s.settings)}
	counted := options // what cannot be read is told of once
	counted.Unreadable = func(string, error) {}
	options.Unreadable, options.NotFollowed = r.progress.Fail, links.note
	files := bulk.Tree(s.Root(), paths, options)
	if f.contentDB == "" {
		r.count = func(ctx context.Context) (int64, error) { return countFiles(ctx, bulk.Tree(s.Root(), paths, counted)) }
	} else {
		db, err := openContentDB(f.contentDB)
		if err != nil {
			return err
		}
		defer db.Close()
		files = bulk.ContentDB(ctx, db, bulk.ContentDBOptions{
			Root: s.Root(), Storage: path.Join(s.settings.Files.VarDir, s.settings.Files.StorageDir), SkipScopes: f.skipped(),
			Skip: mounts(s.settings),
		})
	}
	err := r.run(ctx, func(ctx context.Context) error {
		return bulk.Clusterize(ctx, s.Cluster, files, f.options)
	})
	links.finish()
	return err
}

// linkNotes tells of symbolic links that are not followed.
type linkNotes struct {
	a    *app
	seen int64
}

// maxLinkNotes is how many links are named.
const maxLinkNotes = 10

func (l *linkNotes) note(path string) {
	if l.seen++; l.seen <= maxLinkNotes {
		l.a.note("%s is a symbolic link to a directory and was not followed; to store what is there: dfsctl clusterize %s", path, path)
	}
}

func (l *linkNotes) finish() {
	if more := l.seen - maxLinkNotes; more > 0 {
		l.a.note("nor were %s more", plural(more, "such link"))
	}
}

// mounts are the directories whose files are bodies already.
func mounts(s settings.Settings) (dirs []string) {
	for _, tree := range s.NFS {
		dirs = append(dirs, tree.MountPointPath)
	}
	return dirs
}

// countFiles counts what a tree will yield.
func countFiles(ctx context.Context, files iter.Seq2[cluster.Item, error]) (n int64, err error) {
	for _, err := range files {
		if err != nil || ctx.Err() != nil {
			return n, err
		}
		n++
	}
	return n, ctx.Err()
}

// openContentDB prepares connections to the content database; the first query
// makes one.
func openContentDB(dsn string) (*sql.DB, error) {
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, usagef("--content-db is not a DSN such as user:password@tcp(host:3306)/name: %w", err)
	}
	if config.DBName == "" {
		return nil, usagef("--content-db names no database: end it with /name")
	}
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, usagef("--content-db: %w", err)
	}
	return sql.OpenDB(connector), nil
}
