package main

import "github.com/spf13/cobra"

func newMv(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "mv SRC DST", Short: "Move a file inside the cluster", Args: arguments(2, 2),
		Long: `Give the file at SRC the path DST, replacing what is there, on whatever backend
DST belongs to. To move a file to itself does nothing.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.transfer(cmd.Context(), "moved", args, session.Move)
		},
	}
}
