package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ezdfs/metadata"
)

// deliveryStates are what --state may say.
var deliveryStates = []string{string(metadata.DeliveryPending), string(metadata.DeliveryFailed), string(metadata.DeliveryDelivered)}

func newCDNList(a *app) *cobra.Command {
	var f cdnSubjects
	var state string
	var limit int64
	c := &cobra.Command{
		Use: "list [PREFIX]", Short: "List deliveries: pending, failed or delivered lately", Args: arguments(0, 1),
		Long: `Print the deliveries of paths that begin with PREFIX, and of the families that
may have such paths; each on a line, by target and state, the oldest first: the
state, since when, the target, the action, what it is about, how often it was
tried in vain, and the last error; separated by tabs. With --json one document a
line.

  dfsctl cdn list --state failed       what somebody has to look at
  dfsctl cdn list --state pending var/site/storage/images/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if state != "" && !slices.Contains(deliveryStates, state) {
				return usagef("--state %s is none of %s", state, strings.Join(deliveryStates, ", "))
			}
			if limit < 0 {
				return usagef("--limit %d is less than 0", limit)
			}
			filter := metadata.DeliveryFilter{Target: f.target, State: metadata.DeliveryState(state)}
			return a.withLedger(cmd.Context(), func(l cdnLedger) error {
				return a.listDeliveries(cmd.Context(), l, filter, strings.Join(args, ""), limit)
			})
		},
	}
	f.addTarget(c, "only those for this `TARGET`")
	c.Flags().StringVar(&state, "state", "", "only those in this `STATE`: "+strings.Join(deliveryStates, ", "))
	c.Flags().Int64Var(&limit, "limit", 0, "end after `NUMBER` deliveries; 0 for no limit")
	return c
}

func (a *app) listDeliveries(ctx context.Context, l cdnLedger, f metadata.DeliveryFilter, prefix string, limit int64) error {
	if err := l.needTarget(ctx, f.Target); err != nil {
		return err
	}
	var printed int64
	for d, err := range l.Deliveries(ctx, f) {
		if err != nil {
			return err
		}
		if !mayConcern(d, prefix) {
			continue
		}
		if err := a.printDelivery(d); err != nil {
			return err
		}
		if printed++; printed == limit {
			return nil
		}
	}
	return nil
}

// needTarget fails unless a target is one of cdn.ini or of the ledger; "" is
// any.
func (l cdnLedger) needTarget(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	known, err := l.DeliveryTargets(ctx)
	if err != nil {
		return err
	}
	return needTarget(l.settings, name, known...)
}

// mayConcern reports whether a delivery may be about paths with a prefix.
func mayConcern(d metadata.Delivery, prefix string) bool {
	switch d.Extent {
	case metadata.DeliveryPath:
		return strings.HasPrefix(d.Subject, prefix)
	case "prefix", "trunk":
		return strings.HasPrefix(d.Subject, prefix) || strings.HasPrefix(prefix, d.Subject)
	}
	return true
}

func (a *app) printDelivery(d metadata.Delivery) error {
	if a.json {
		return a.printJSON(deliveryOf(d))
	}
	subject := subjectText(d.Extent, d.Subject)
	if strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' }) {
		subject = strconv.Quote(subject)
	}
	_, err := fmt.Fprintf(a.stdout, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", d.State, date(d.Since), d.Target, d.Action, subject, d.Attempts,
		strings.Join(strings.Fields(d.Error), " "))
	return err
}
