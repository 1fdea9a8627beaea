package main

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/delivery"
	"example.com/ezdfs/cdn/service"
	"example.com/ezdfs/metadata"
)

func newCDNPurge(a *app) *cobra.Command {
	return newByHand(a, cdn.Invalidate, &cobra.Command{
		Use: "purge (PATH... | --prefix P | --trunk T | --scope S | --all)", Short: "Have caches and CDNs forget files",
		Long: `Queue invalidations, whether or not anything changed, for the targets that the
rules name for a path, or for one of any name. Processes that deliver (dfsctl
serve, dfsctl cdn run) take them from there; dfsctl cdn status says how far they
are. A replica is made what the cluster has.`,
	})
}

func newCDNPush(a *app) *cobra.Command {
	return newByHand(a, cdn.Push, &cobra.Command{
		Use: "push (PATH... | --prefix P | --trunk T | --scope S | --all)", Short: "Bring files to replicas and CDNs anew",
		Long: `Queue what a store of the files would: replicas take their contents, after which
caches forget them, as the rules say. A path that does not exist makes the exit
code 3, after all others are queued. With --all or --prefix a new replica is
filled. Processes that deliver (dfsctl serve, dfsctl cdn run) take it from there;
dfsctl cdn status says how far they are.`,
	})
}

// newByHand completes a command that queues deliveries.
func newByHand(a *app, action cdn.Action, c *cobra.Command) *cobra.Command {
	var f cdnSubjects
	c.Args = arguments(0, -1)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		extent, subjects, err := f.subjects(cmd, args)
		if err != nil {
			return err
		}
		return a.withCDN(cmd.Context(), func(l cdnLedger, s *service.Service) error {
			if err := needTarget(l.settings, f.target); err != nil {
				return err
			}
			if err := f.needRule(s, extent, subjects); err != nil {
				return err
			}
			return a.byHand(cmd.Context(), l, s, action, f.target, extent, subjects)
		})
	}
	f.addTarget(c, "this `TARGET`, whatever the rules say")
	flags := c.Flags()
	flags.StringVar(&f.prefix, "prefix", "", "all files whose path begins with this `STRING`")
	flags.StringVar(&f.trunk, "trunk", "", "all files whose name_trunk is this `STRING`")
	flags.StringVar(&f.scope, "scope", "", "all files of this scope `NAME`")
	flags.BoolVar(&f.all, "all", false, "all files")
	return c
}

// subjects are what the flags and arguments name, of one kind.
func (f *cdnSubjects) subjects(cmd *cobra.Command, args []string) (cdn.Extent, []string, error) {
	named := map[cdn.Extent][]string{}
	if len(args) > 0 {
		for _, arg := range args {
			name, err := metadata.CleanName(arg)
			if err != nil {
				return "", nil, err
			}
			named[cdn.Path] = append(named[cdn.Path], name)
		}
	}
	for extent, subject := range map[cdn.Extent]string{cdn.Prefix: f.prefix, cdn.Trunk: f.trunk, cdn.Scope: f.scope} {
		if cmd.Flags().Changed(string(extent)) {
			if subject == "" {
				return "", nil, usagef("--%s is empty; --all means everything", extent)
			}
			named[extent] = []string{subject}
		}
	}
	if f.all {
		named[cdn.All] = []string{""}
	}
	if len(named) != 1 {
		return "", nil, usagef("name paths, or give one of --prefix, --trunk, --scope and --all")
	}
	for extent, subjects := range named {
		return extent, subjects, nil
	}
	return "", nil, nil
}

// needRule fails where no rule is about a path and no target is named.
func (f *cdnSubjects) needRule(s *service.Service, extent cdn.Extent, subjects []string) error {
	if f.target != "" || extent != cdn.Path {
		return nil
	}
	var all problems
	for _, path := range subjects {
		if !s.Rules().Takes(path) {
			all = append(all, usagef("no rule of cdn.ini [CDN] is about %q; add one, or name a --target", path))
		}
	}
	if all == nil {
		return nil
	}
	return all
}

// byHand queues deliveries and says how many.
func (a *app) byHand(ctx context.Context, l cdnLedger, s *service.Service, action cdn.Action, target string, extent cdn.Extent, subjects []string) error {
	var missing problems
	if action == cdn.Push && extent == cdn.Path {
		live, err := l.GetMany(ctx, subjects)
		if err != nil {
			return err
		}
		subjects = slices.DeleteFunc(subjects, func(path string) bool {
			row, there := live[path]
			if there && row.Live() {
				return false
			}
			missing = append(missing, &metadata.Error{Op: "push", Subject: path, Kind: fs.ErrNotExist})
			return true
		})
	}
	queued, err := s.Enqueue(ctx, target, action, extent, subjects...)
	if err != nil {
		return err
	}
	if len(queued) == 0 && extent != cdn.Path {
		return usagef("no rule of cdn.ini [CDN] is about any such file; add one, or name a --target")
	}
	if err := a.printQueued(queued); err != nil {
		return err
	}
	a.warnIdle(ctx, l)
	if missing != nil {
		return missing
	}
	return nil
}

func (a *app) printQueued(queued []metadata.Delivery) error {
	counts := make(map[string]int)
	for _, d := range queued {
		counts[d.Target]++
	}
	if a.json {
		return a.printJSON(map[string]any{"queued": len(queued), "targets": counts})
	}
	names := strings.Join(slices.Sorted(maps.Keys(counts)), ", ")
	a.printf("queued %s%s\n", plural(int64(len(queued)), "delivery"), with(" for ", names))
	return nil
}

// warnIdle says so where nobody takes what is queued.
func (a *app) warnIdle(ctx context.Context, l cdnLedger) {
	workers, err := delivery.Reports(ctx, l.Store)
	if err == nil && !slices.ContainsFunc(workers, func(w delivery.Report) bool { return !w.Silent }) {
		a.note("nobody delivers at the moment; it waits until dfsctl serve or dfsctl cdn run does")
	}
}
