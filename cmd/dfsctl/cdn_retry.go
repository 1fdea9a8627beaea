package main

import (
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/metadata"
)

func newCDNRetry(a *app) *cobra.Command {
	var f cdnSubjects
	c := &cobra.Command{
		Use: "retry (--all | PATH...)", Short: "Deliver again what failed", Args: arguments(0, -1),
		Long: `Make deliveries that were given up pending again, as if they had never been tried,
and print how many. PATH is a path, or what names the family, as dfsctl cdn list
--state failed shows it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.all == (len(args) > 0) {
				return usagef("name paths, or give --all")
			}
			return a.withLedger(cmd.Context(), func(l cdnLedger) error { return a.retry(cmd.Context(), l, f.target, args) })
		},
	}
	f.addTarget(c, "only at this `TARGET`")
	c.Flags().BoolVar(&f.all, "all", false, "everything that failed")
	return c
}

// retry retries all failed deliveries, or those about some subjects.
func (a *app) retry(ctx context.Context, l cdnLedger, target string, subjects []string) error {
	if err := l.needTarget(ctx, target); err != nil {
		return err
	}
	targets := []string{target}
	if target == "" {
		var err error
		if targets, err = l.DeliveryTargets(ctx); err != nil {
			return err
		}
	}
	counts, total := make(map[string]int64), int64(0)
	for _, target := range targets {
		n, err := l.RetryDeliveries(ctx, target, candidates(target, subjects)...)
		if err != nil {
			return err
		}
		if total += n; n > 0 {
			counts[target] = n
		}
	}
	if a.json {
		return a.printJSON(map[string]any{"retried": total, "targets": counts})
	}
	a.printf("%s pending again\n", plural(total, "delivery"))
	for _, target := range slices.Sorted(maps.Keys(counts)) {
		a.printf("  %s  %d\n", target, counts[target])
	}
	return nil
}

// candidates are the deliveries that subjects may name.
func candidates(target string, subjects []string) []metadata.Delivery {
	var list []metadata.Delivery
	for _, subject := range subjects {
		add := func(extent cdn.Extent, subject string) {
			list = append(list, metadata.Delivery{Target: target, Extent: string(extent), Subject: subject})
		}
		if clean, err := metadata.CleanName(subject); err == nil {
			add(cdn.Path, clean)
		}
		for _, extent := range []cdn.Extent{cdn.Prefix, cdn.Trunk, cdn.Scope, "wildcard"} {
			add(extent, subject)
		}
	}
	return list
}
