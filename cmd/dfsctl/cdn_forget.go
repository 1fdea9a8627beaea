package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cdn/service"
	"example.com/ezdfs/metadata"
)

func newCDNForget(a *app) *cobra.Command {
	var failed bool
	c := &cobra.Command{
		Use: "forget TARGET", Short: "Drop what waits for a target that is no more", Args: arguments(1, 1),
		Long: `Delete all deliveries for a target that was removed from cdn.ini, those that wait
included, and print how many. Targets that were to be told after it, by rules as
a>b, are told of what waited.

With --failed only what was given up is deleted, also of a target that cdn.ini
has: what no retry will mend, once somebody has looked at it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLedger(cmd.Context(), func(l cdnLedger) error {
				if !failed && slices.Contains(l.settings.TargetNames(), args[0]) {
					return usagef("cdn.ini has the target %s; remove its group and its rules first, or drop what failed alone with --failed", args[0])
				}
				if err := l.needTarget(cmd.Context(), args[0]); err != nil {
					return err
				}
				return a.forget(cmd.Context(), l, args[0], failed)
			})
		},
	}
	c.Flags().BoolVar(&failed, "failed", false, "only what was given up")
	return c
}

// forgotten is what forget did.
type forgotten struct {
	Dropped int64 `json:"dropped"`
	Queued  int64 `json:"queued,omitempty"` // for those who were to be told next
}

func (a *app) forget(ctx context.Context, l cdnLedger, target string, failed bool) (err error) {
	var done forgotten
	state := metadata.DeliveryFailed // after those everybody was told already
	if !failed {
		state = ""
		if done.Queued, err = a.followOn(ctx, l, target); err != nil {
			return err
		}
	}
	if done.Dropped, err = l.DropDeliveries(ctx, target, state); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(done)
	}
	a.printf("dropped %s\n", plural(done.Dropped, "delivery"))
	if done.Queued > 0 {
		a.printf("queued %s for targets that were to be told next\n", plural(done.Queued, "delivery"))
	}
	return nil
}

// followOn queues what was to follow the deliveries that wait for a target, for
// targets that there are.
func (a *app) followOn(ctx context.Context, l cdnLedger, target string) (queued int64, err error) {
	if !service.Configured(l.settings) {
		return 0, nil
	}
	s, err := service.New(ctx, l.settings, service.Options{Store: l.Store, Logger: a.logger()})
	if err != nil {
		return 0, wrongCDN(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	known := l.settings.TargetNames()
	var next []metadata.Delivery
	flush := func() error {
		queued += int64(len(next))
		list := next
		next = nil
		return l.Update(ctx, func(tx *metadata.Tx) error { return tx.Enqueue(list...) })
	}
	for d, err := range l.Deliveries(ctx, metadata.DeliveryFilter{Target: target, State: metadata.DeliveryPending}) {
		if err != nil {
			return queued, err
		}
		next = append(next, slices.DeleteFunc(s.Followers(d), func(f metadata.Delivery) bool {
			return f.Target == target || !slices.Contains(known, f.Target)
		})...)
		if len(next) >= followPage {
			if err := flush(); err != nil {
				return queued, err
			}
		}
	}
	return queued, flush()
}

// followPage is how many deliveries one transaction queues.
const followPage = 500
