package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
)

func newUnclusterize(a *app) *cobra.Command {
	var options bulk.UnclusterizeOptions
	var flags bulkFlags
	c := &cobra.Command{
		Use: "unclusterize [PREFIX]", Short: "Copy the cluster's files back to the site", Args: arguments(0, 1),
		Long: `Copy live files whose path begins with PREFIX to the same paths below the site
root. Rows and contents stay in the cluster. A local file of the same size and
time is skipped, so that the same command goes on after an interruption. A store
that does not answer is waited for; then its files are left, those of the others
are copied, and one error says so.

With --json one document for each file that failed, and {"summary": {...}}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			options.Prefix, options.Progress, options.Limits = strings.Join(args, ""), new(bulk.Progress), flags.limits
			return a.withCluster(cmd.Context(), func(s session) error {
				options.Waiting = flags.waiting(a)
				r := &bulkRun{a: a, verb: "copied", mode: flags.progress, progress: options.Progress}
				return r.run(cmd.Context(), func(ctx context.Context) error {
					return bulk.Unclusterize(ctx, s.Cluster, options)
				})
			}, cluster.WithoutPatience())
		},
	}
	c.Flags().StringSliceVar(&options.SkipScopes, "skip-scope", nil, "`SCOPES` to leave out")
	flags.add(c, "files")
	flags.addPatience(c)
	return c
}
