package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/feed"
	"example.com/ezdfs/metadata"
)

// changesFlags are the flags of changes as they stand.
type changesFlags struct {
	follow, head  bool
	source, after string
	prefix        string
	limit         int64
	checkpoint    checkpoint
}

func newChanges(a *app) *cobra.Command {
	var f changesFlags
	c := &cobra.Command{
		Use: "changes", Short: "Print what changed", Args: arguments(0, 0),
		Long: `Print the committed changes of the cluster, each on a line: when, what (store,
expire, purge, copy, move, repair, or a family such as expire-prefix), the path
or what names the family, the scope and the host; separated by tabs. With --json
one document a line with position, kind, subject, hash, scope, time and host.

There are two sources. The binary log of MySQL and MariaDB sees every write,
PHP's too, and needs log_bin, binlog_format=ROW and a user who may read it. The
journal sees what ezdfs does, on every engine. By default the settings decide,
file.ini [ChangeFeed] Source.

  dfsctl changes                        all that the source still has
  dfsctl changes --follow               from now on, until Ctrl-C
  dfsctl changes --follow --after oldest
  dfsctl changes --checkpoint FILE      since the last time, for cron
  dfsctl changes --head                 the position to begin at, later

Each change comes at least once, and those of one path in order. --checkpoint
begins after the position in FILE, where there is one, and keeps there how far
the output was written.

When the changes after a position are gone (the journal was pruned, binary logs
expired, the database was restored) the exit code is 4: compare what was derived
from the feed with the cluster, then begin anew with --after newest.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.limit < 0 {
				return usagef("--limit %d is less than 0", f.limit)
			}
			if f.head && (f.follow || f.after != "" || f.checkpoint.name != "") {
				return usagef("--head goes with no --follow, --after or --checkpoint")
			}
			return changesError(a.withFeed(cmd.Context(), &f, func(source changes.Source) error {
				if f.head {
					return a.printHead(cmd.Context(), source)
				}
				return a.printChanges(cmd.Context(), source, &f)
			}))
		},
	}
	f.add(c)
	return c
}

func (f *changesFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "wait for more, until Ctrl-C")
	flags.StringVar(&f.source, "source", "", "`SOURCE` to read: auto, journal or binlog (default as the settings say)")
	flags.StringVar(&f.after, "after", "", "`POSITION` to begin after, or oldest, or newest (default oldest, with --follow newest)")
	flags.StringVar(&f.checkpoint.name, "checkpoint", "", "`FILE` that keeps how far the output was written")
	flags.StringVar(&f.prefix, "prefix", "", "print only what may concern paths that begin with `STRING`")
	flags.Int64Var(&f.limit, "limit", 0, "end after `NUMBER` changes; 0 for no limit")
	flags.BoolVar(&f.head, "head", false, "print the position behind the newest change, and nothing else")
}

// withFeed finds out where to begin, opens the source that the flags choose,
// calls do and closes it.
func (a *app) withFeed(ctx context.Context, f *changesFlags, do func(changes.Source) error) error {
	kept, err := f.checkpoint.read()
	if err != nil {
		return err
	}
	if err := checkPosition(kept, "the checkpoint "+f.checkpoint.name+" holds"); err != nil {
		return err
	}
	if err := checkPosition(changes.Position(f.after), "--after"); err != nil {
		return err
	}
	if err := f.checkpoint.try(); err != nil {
		return err
	}
	f.after = cmp.Or(string(kept), f.after)
	s, err := a.settings()
	if err != nil {
		return err
	}
	switch f.source {
	case "":
	case "auto", "journal", "binlog":
		s.Changes.Source = f.source
	default:
		return usagef("--source %s is none of auto, journal, binlog", f.source)
	}
	if name, _, ok := strings.Cut(f.after, ":"); ok && s.Changes.Source == "auto" && (name == "journal" || name == "binlog") {
		s.Changes.Source = name // a position is of one source
	}
	return a.withDatabase(ctx, false, func(store *metadata.Store) error {
		source, err := feed.Open(ctx, s, store, a.logger())
		if err != nil {
			return err
		}
		return errors.Join(do(source), source.Close())
	})
}

// checkPosition refuses what cannot be a position of any source.
func checkPosition(p changes.Position, where string) error {
	source, _, ok := strings.Cut(string(p), ":")
	if p == "" || p == changes.Oldest || p == changes.Newest || ok && (source == "journal" || source == "binlog") {
		return nil
	}
	return usagef("%s %q, which is no position; dfsctl changes --head prints one", where, p)
}

// changesError gives the errors of a feed their exit codes.
func changesError(err error) error {
	var lost *changes.LostError
	switch {
	case errors.As(err, &lost):
		return &foundError{lost.Error()}
	case errors.Is(err, changes.ErrUnavailable):
		return &usageError{err}
	}
	return err
}

func (a *app) printHead(ctx context.Context, source changes.Source) error {
	head, err := source.Head(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]changes.Position{"position": head})
	}
	a.printf("%s\n", head)
	return nil
}

// printChanges prints the stream that the flags choose.
func (a *app) printChanges(ctx context.Context, source changes.Source, f *changesFlags) (err error) {
	after := changes.Position(f.after)
	if after == "" && f.follow {
		after = changes.Newest
	}
	after = cmp.Or(after, changes.Oldest)
	if after == changes.Newest && f.checkpoint.name != "" {
		if after, err = source.Head(ctx); err != nil {
			return err
		}
		if err := f.checkpoint.write(after); err != nil { // or what comes before the first change is lost
			return err
		}
	}
	f.checkpoint.start()
	defer func() { err = errors.Join(err, f.checkpoint.stop()) }()
	var printed int64
	for change, err := range source.Changes(ctx, after, f.follow) {
		if err != nil {
			return err
		}
		if concerns(change, f.prefix) {
			if err := a.printChange(change); err != nil {
				return err
			}
			printed++
		}
		if f.follow || f.checkpoint.name != "" {
			if err := a.stdout.Flush(); err != nil {
				return err
			}
		}
		if err := f.checkpoint.save(change.Position); err != nil {
			return err
		}
		if f.limit > 0 && printed == f.limit {
			return nil
		}
	}
	return nil
}

// changeJSON is a change as JSON shows it.
type changeJSON struct {
	Position changes.Position `json:"position"`
	Kind     metadata.Kind    `json:"kind"`
	Subject  string           `json:"subject"`
	Hash     string           `json:"hash"`
	Scope    string           `json:"scope"`
	Time     string           `json:"time"`
	Host     string           `json:"host"`
}

func (a *app) printChange(c changes.Change) error {
	if a.json {
		return a.printJSON(changeJSON{
			c.Position, c.Kind, c.Subject, c.Hash, c.Scope, c.Time.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), c.Host,
		})
	}
	subject := c.Subject
	switch {
	case subject == "" && c.Hash != "":
		subject = "name_hash=" + c.Hash
	case strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' }):
		subject = strconv.Quote(subject)
	}
	_, err := fmt.Fprintf(a.stdout, "%s\t%s\t%s\t%s\t%s\n",
		c.Time.Local().Format("2006-01-02 15:04:05.000"), c.Kind, subject, c.Scope, c.Host)
	return err
}

// concerns reports whether a change may be of a path with a prefix. Of a family
// that is so unless its subject rules it out.
func concerns(c changes.Change, prefix string) bool {
	subject := c.Subject
	switch c.Kind {
	case metadata.KindExpireScope, metadata.KindTruncate:
		return true
	case metadata.KindExpireWildcard:
		if i := strings.IndexAny(subject, `*?{\`); i >= 0 {
			subject = subject[:i]
		}
	case metadata.KindExpirePrefix, metadata.KindExpireTrunk:
	default:
		return strings.HasPrefix(subject, prefix) || subject == "" && c.Hash != ""
	}
	return strings.HasPrefix(subject, prefix) || strings.HasPrefix(prefix, subject)
}
