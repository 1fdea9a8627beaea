package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk/importer"
	"example.com/ezdfs/settings"
)

// importKind is a kind of store as import names it.
type importKind struct {
	name  string
	short string
	what  string // the first paragraph of the help
	kinds []string
}

var (
	importBucket = importKind{
		name: "bucket", short: "Make rows for the objects of a bucket", kinds: []string{"s3", "gcs"},
		what: `Make rows for the objects that lie in the bucket of BACKEND, such as s3 or
s3:media, and whose path begins with PREFIX, or for all: the tables were lost, and
are made anew of the stores.`,
	}
	importTree = importKind{
		name: "tree", short: "Make rows for the files of a tree", kinds: []string{"nfs"},
		what: `Make rows for the files that lie on the tree of BACKEND, such as nfs or nfs:cold,
or on the mount point DIR of one, and whose path begins with PREFIX, or for all:
the tables were lost, and are made anew of the stores. A tree that is none of the
cluster's is what dfsctl clusterize is for.`,
	}
)

const importBodiesHelp = `

Rows that are there stay as they are: live ones, and expired ones unless --revive
is given. What lies on a backend the rules do not name for its path gets no row:
nobody would find it. The size, time and type of a row are those kept with the
body, the type else what the contents show. The scope is told from the path. What
cannot be known are other scopes, types that somebody chose for files on NFS, and
which files had expired: those that no purge has removed come back. A body that PHP
has written has the time of that copy, on NFS and in S3, not that of the file, which
only its row had. And bodies in a Trash cannot be restored any more: under which
name and when they were purged stood in the table ezdfs_trash alone. They stay
where they are, and no import takes them for files.

Cache files are left out without --cache. They make themselves anew, and those
that had been expired would come back as if they were fresh.

Each body is looked at while its row is locked, so that none gets a live row that
is removed meanwhile. That is one request a body. --trust-listing does without
for bodies older than --grace: then no purge may run on any host, times on S3 are
those of the upload, and types on S3 and NFS are told by the extension.

Caches and CDNs hear of every row as of a file that is stored. A store or database
that does not answer is waited for, and the listing goes on where it was. What is
done stays done: the same command goes on after an interruption. With --json one
document for each file that failed, and {"summary": {...}}.`

// importBodiesFlags are the flags of import bucket and import tree as they
// stand.
type importBodiesFlags struct {
	bulkFlags
	options importer.BodiesOptions
	trust   bool
	grace   time.Duration
}

func newImportBodies(a *app, kind importKind) *cobra.Command {
	var f importBodiesFlags
	argument := "BACKEND"
	if kind.name == "tree" {
		argument = "(BACKEND | DIR)"
	}
	c := &cobra.Command{
		Use: kind.name + " " + argument + " [PREFIX]", Short: kind.short, Args: arguments(1, 2), Long: kind.what + importBodiesHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if f.options.Prefix, err = importPrefix(args[1:]); err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				backend, err := kind.find(s, args[0])
				if err != nil {
					return err
				}
				return f.run(cmd.Context(), a, s, backend)
			})
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.options.Scope, "scope", "", "`SCOPE` of all files (default told from the path)")
	flags.BoolVar(&f.options.Cache, "cache", false, "import cache files, too")
	flags.BoolVar(&f.options.Revive, "revive", false, "make expired rows live again whose body is there")
	flags.BoolVar(&f.options.DryRun, "dry-run", false, "count what would be done and do nothing")
	flags.BoolVar(&f.trust, "trust-listing", false, "take the listing's word for bodies older than --grace")
	flags.DurationVar(&f.grace, "grace", time.Hour, "with --trust-listing: look at bodies younger than `TIME`")
	f.addUnpaced(c, "batches of two hundred files")
	f.addPatience(c)
	return c
}

func (f *importBodiesFlags) check() error {
	if f.grace < 0 {
		return usagef("--grace %v is less than nothing", f.grace)
	}
	return f.bulkFlags.check()
}

// find returns the backend that an argument names.
func (k importKind) find(s session, argument string) (backends.Backend, error) {
	name := argument
	if k.name == "tree" {
		if tree := treeAt(s.settings, argument); tree != "" {
			name = tree
		}
	}
	var names []string
	for _, b := range s.Stores().Backends() {
		if b.Name() == name {
			return b, k.check(name)
		}
		names = append(names, b.Name())
	}
	if k.name == "tree" && strings.ContainsRune(argument, '/') {
		return nil, usagef("%s is no mount point of the cluster; to store local files of the site use dfsctl clusterize", argument)
	}
	return nil, usagef("no rule names the backend %q; there is %s", argument, strings.Join(names, ", "))
}

// check refuses a backend of another kind.
func (k importKind) check(name string) error {
	kind, _, _ := strings.Cut(name, ":")
	for _, mine := range k.kinds {
		if kind == mine {
			return nil
		}
	}
	other := importBucket.name
	if k.name == other {
		other = importTree.name
	}
	return usagef("%s is no %s; use dfsctl import %s %s", name, k.name, other, name)
}

// treeAt returns the name of the backend whose mount point is a directory, or "".
func treeAt(s settings.Settings, dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for name, tree := range s.NFS {
		if filepath.Clean(tree.MountPointPath) == dir {
			return name
		}
	}
	return ""
}

func (f *importBodiesFlags) run(ctx context.Context, a *app, s session, backend backends.Backend) error {
	r := newImportRun(a, f.progress)
	r.dryRun = f.options.DryRun
	f.options.Limits, f.options.Waiting, f.options.Counts = f.limits, f.waiting(a), r.counts
	if f.trust {
		f.options.Settled = time.Now().Add(-f.grace)
	}
	return r.run(ctx, func(ctx context.Context) error {
		return importer.Bodies(ctx, s.Cluster, backend, f.options)
	})
}
