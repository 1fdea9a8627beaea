package main

import (
	"context"

	"github.com/spf13/cobra"

	"example.com/ezdfs/metadata"
)

func newCp(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "cp SRC DST", Short: "Copy a file inside the cluster", Args: arguments(2, 2),
		Long: `Copy the file at SRC to DST, replacing what is there, with its scope, type and
time, to whatever backend DST belongs to.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.transfer(cmd.Context(), "copied", args, session.Copy)
		},
	}
}

// transfer copies or moves a file and tells what came of it.
func (a *app) transfer(ctx context.Context, done string, args []string,
	do func(s session, ctx context.Context, src, dst string) (metadata.Row, error)) error {
	for _, path := range args {
		if _, err := metadata.CleanName(path); err != nil {
			return err
		}
	}
	return a.withCluster(ctx, func(s session) error {
		row, err := do(s, ctx, args[0], args[1])
		if err != nil {
			return err
		}
		return a.printRow(s, row, "%s %s to %s on %s", done, args[0], row.Name, s.backendOf(row.Name))
	})
}
