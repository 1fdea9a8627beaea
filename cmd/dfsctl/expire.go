package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newExpire(a *app) *cobra.Command {
	var prefix, trunk, wildcard, scope, common, suffix string
	var dirs []string
	c := &cobra.Command{
		Use:   "expire (--prefix P | --trunk T | --wildcard W | --scope S [--prefix P] | --dirs A,B --common P --suffix S)",
		Short: "Expire a family of files", Args: arguments(0, 0),
		Long: `Mark all files of a family as expired and print how many were live:

  --prefix    whose path begins with this string
  --trunk     whose name_trunk is this: one node's view cache, one subtree's blocks
  --wildcard  whose path matches a pattern of *, ? and {a,b}; slow
  --scope     whose scope is this, such as viewcache, below the prefix if one is
              given; without one it reads all rows
  --dirs      what lies at COMMON/DIR/SUFFIX for each directory, as the kernel
              expires the view caches of several siteaccesses at once`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// In this order: a scope may have a prefix.
			families := []struct {
				flag   string
				expire func(context.Context, session) (int64, error)
			}{
				{"scope", func(ctx context.Context, s session) (int64, error) { return s.ExpireScope(ctx, scope, prefix) }},
				{"prefix", func(ctx context.Context, s session) (int64, error) { return s.ExpirePrefix(ctx, prefix) }},
				{"trunk", func(ctx context.Context, s session) (int64, error) { return s.ExpireTrunk(ctx, trunk) }},
				{"wildcard", func(ctx context.Context, s session) (int64, error) { return s.ExpireWildcard(ctx, wildcard) }},
				{"dirs", func(ctx context.Context, s session) (int64, error) { return s.ExpireDirList(ctx, dirs, common, suffix) }},
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				for _, family := range families {
					if cmd.Flags().Changed(family.flag) {
						n, err := family.expire(cmd.Context(), s)
						if err != nil {
							return err
						}
						return a.printExpired(n)
					}
				}
				return nil
			})
		},
	}
	flags := c.Flags()
	flags.StringVar(&prefix, "prefix", "", "`STRING` that paths begin with")
	flags.StringVar(&trunk, "trunk", "", "name_trunk `STRING`")
	flags.StringVar(&wildcard, "wildcard", "", "`PATTERN` of paths")
	flags.StringVar(&scope, "scope", "", "scope `NAME`")
	flags.StringSliceVar(&dirs, "dirs", nil, "`DIRS`, separated by commas; needs --common")
	flags.StringVar(&common, "common", "", "`PATH` that the directories lie in")
	flags.StringVar(&suffix, "suffix", "", "`STRING` that paths go on with below each directory")
	c.MarkFlagsOneRequired("prefix", "trunk", "wildcard", "scope", "dirs")
	c.MarkFlagsMutuallyExclusive("prefix", "trunk", "wildcard", "dirs")
	c.MarkFlagsMutuallyExclusive("scope", "trunk", "wildcard", "dirs")
	for _, family := range []string{"prefix", "trunk", "wildcard", "scope"} {
		c.MarkFlagsMutuallyExclusive(family, "common")
		c.MarkFlagsMutuallyExclusive(family, "suffix")
	}
	c.MarkFlagsRequiredTogether("dirs", "common")
	return c
}

func (a *app) printExpired(n int64) error {
	if a.json {
		return a.printJSON(map[string]int64{"expired": n})
	}
	a.printf("expired %s\n", plural(n, "file"))
	return nil
}
