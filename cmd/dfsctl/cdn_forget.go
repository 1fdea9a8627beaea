package main

import (
	"slices"

	"github.com/spf13/cobra"
)

func newCDNForget(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "forget TARGET", Short: "Drop what waits for a target that is no more", Args: arguments(1, 1),
		Long: `Delete all deliveries for a target that was removed from cdn.ini, those that wait
included, and print how many.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLedger(cmd.Context(), func(l cdnLedger) error {
				if slices.Contains(l.settings.TargetNames(), args[0]) {
					return usagef("cdn.ini has the target %s; remove its group and its rules first", args[0])
				}
				if err := l.needTarget(cmd.Context(), args[0]); err != nil {
					return err
				}
				n, err := l.DropDeliveries(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(map[string]int64{"dropped": n})
				}
				a.printf("dropped %s\n", plural(n, "delivery"))
				return nil
			})
		},
	}
}
