package main

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"example.com/ezdfs/metadata"
)

func newRm(a *app) *cobra.Command {
	var recursive bool
	c := &cobra.Command{
		Use: "rm PATH...", Short: "Expire files", Args: arguments(1, -1),
		Long: `Mark files as expired: from now on they do not exist. Their contents stay until
dfsctl purge. A path that does not exist makes the exit code 3, after all others
are done. With --json one document a path.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			names := make([]string, len(args))
			for i, path := range args {
				name, err := metadata.CleanName(path)
				if err != nil {
					return err
				}
				names[i] = name
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				return a.remove(cmd.Context(), s, names, recursive)
			})
		},
	}
	c.Flags().BoolVarP(&recursive, "recursive", "r", false, "expire everything below PATH/ too")
	return c
}

// remove expires names, goes on after those that do not exist and reports them.
func (a *app) remove(ctx context.Context, s session, names []string, recursive bool) error {
	var missing problems
	for _, name := range names {
		n, err := s.Expire(ctx, name)
		if err == nil && recursive {
			var below int64
			below, err = s.ExpirePrefix(ctx, name+"/")
			n += below
		}
		if err != nil {
			return append(missing, err)
		}
		if n == 0 {
			missing = append(missing, &metadata.Error{Op: "expire", Subject: name, Kind: fs.ErrNotExist})
			continue
		}
		if err := a.printRemoved(name, n, recursive); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return missing
}

func (a *app) printRemoved(name string, n int64, recursive bool) error {
	switch {
	case a.json:
		return a.printJSON(struct {
			Name    string `json:"name"`
			Expired int64  `json:"expired"`
		}{name, n})
	case recursive:
		_, err := fmt.Fprintf(a.stdout, "expired %s at %s\n", plural(n, "file"), name)
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "expired %s\n", name)
	return err
}
