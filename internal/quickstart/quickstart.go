// Package quickstart makes a working cluster in a directory, with no service
// but those inside this process: a legacy settings tree, a SQLite database,
// a directory in the place of an NFS mount, and embedded S3 and Google Cloud
// Storage services (package embedded). It stores a set of sample files, shows
// where each went, reads each back and says what to try next. It is for seeing
// ezdfs work, not for setting up a site.
//
//	err := quickstart.Run(ctx, quickstart.Options{Dir: "ezdfs-quickstart", Stdout: os.Stdout})
//
// The directory is a site root: `dfsctl` works in it with its default flags.
// What lies in it stays, and another run goes on with it:
//
//	settings/          the settings tree, yours to edit
//	var/               the sample files, as the site had them before
//	nfs/               the NFS mount
//	cluster.sqlite     the rows
//	objects.sqlite     the objects of both buckets
//	quickstart.json    the ports, and what was stored
package quickstart

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/quickstart/embedded"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// Options say what to do. Stdout is required.
type Options struct {
	// Dir is the directory, "ezdfs-quickstart" by default. It is made where it
	// does not exist.
	Dir string
	// Serve keeps the embedded services up until the context is done.
	Serve bool
	// JSON writes the Report as one JSON document instead of text.
	JSON   bool
	Stdout io.Writer
	// Logger receives what is no error; nil discards it.
	Logger *slog.Logger
	// Getenv looks up environment variables, os.LookupEnv by default. None is
	// heeded here, but the commands to try heed some: the report says which.
	Getenv func(string) (string, bool)
	// Command is how the commands to try call dfsctl; by default what finds
	// this very program.
	Command string
}

// DefaultDir is where a quickstart is made that names no directory.
const DefaultDir = "ezdfs-quickstart"

// ErrForeignDir says that what Options.Dir names is something else than a
// quickstart, or one of another version. Nothing in it was touched.
var ErrForeignDir = errors.New("holds something else than a quickstart of this version; name another directory or a new one")

// Run makes the cluster, or opens that of an earlier run, whose files it
// leaves as they are, and checks that every sample file reads back as it was
// stored. It writes its report to o.Stdout. The error says when one does not,
// or what went wrong before. With o.Serve it returns nil once ctx is done.
func Run(ctx context.Context, o Options) (err error) {
	s, err := openSite(o.Dir)
	if err != nil {
		return err
	}
	services, err := embedded.Start(ctx, s.path(objectsFile), s.state.Ports)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, services.Close(ctx)) }()
	if err := s.configure(services); err != nil {
		return err
	}
	report, err := s.tryOut(ctx, o.Logger)
	if err != nil {
		return err
	}
	report.describe(s, services, o)
	if err := report.write(o); err != nil {
		return err
	}
	if err := report.err(); err != nil || !o.Serve {
		return err
	}
	return services.Wait(ctx)
}

// tryOut stores the sample files, unless an earlier run has done so, and reads
// them back.
func (s *site) tryOut(ctx context.Context, logger *slog.Logger) (_ *Report, err error) {
	// The environment of the caller may name the stores of a real site.
	conf, err := s.settings(func(string) (string, bool) { return "", false })
	if err != nil {
		return nil, err
	}
	if err := createSchema(ctx, conf); err != nil {
		return nil, err
	}
	c, err := cluster.Open(ctx, conf, cluster.WithLogger(cmp.Or(logger, slog.New(slog.DiscardHandler))))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if s.state.Files == nil {
		files, err := s.store(ctx, c)
		if err != nil {
			return nil, err
		}
		report, err := check(ctx, c, files)
		if err == nil && report.err() == nil {
			s.state.Files = files
			err = s.save()
		}
		return report, err
	}
	return check(ctx, c, s.state.Files)
}

// createSchema makes the database with its tables, where they are missing.
func createSchema(ctx context.Context, conf settings.Settings) error {
	config, err := metadata.ConfigFrom(conf)
	if err != nil {
		return err
	}
	config.Create = true
	store, err := metadata.Open(ctx, config)
	if err != nil {
		return err
	}
	return errors.Join(store.CreateSchema(ctx), store.Close())
}
