package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cdn/service"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func newCDN(a *app) *cobra.Command {
	return group("cdn", "Push changes to caches and CDNs", newCDNRun(a), newCDNStatus(a), newCDNList(a), newCDNRetry(a),
		newCDNPurge(a), newCDNPush(a), newCDNTest(a), newCDNForget(a))
}

// cdnLedger is the ledger of deliveries with the settings it was opened by.
type cdnLedger struct {
	*metadata.Store
	settings settings.Settings
}

// withLedger opens the database, makes sure that it is set up for deliveries,
// and calls do.
func (a *app) withLedger(ctx context.Context, do func(cdnLedger) error) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	return a.withLedgerOf(ctx, s, do)
}

func (a *app) withLedgerOf(ctx context.Context, s settings.Settings, do func(cdnLedger) error) error {
	return a.withStore(ctx, s, false, func(store *metadata.Store) error {
		there, err := store.HasLedger(ctx)
		if err == nil && !there {
			err = usagef("the cdn is not set up: there is no table ezdfs_cdn_delivery; create it with dfsctl schema create")
		}
		if err != nil {
			return err
		}
		return do(cdnLedger{store, s})
	})
}

// withCDN opens what the settings say about deliveries as well: targets and
// rules. It reaches no target.
func (a *app) withCDN(ctx context.Context, do func(cdnLedger, *service.Service) error) error {
	s, err := a.settings()
	if err != nil {
		return err
	}
	if err := needRules(s); err != nil {
		return err
	}
	return a.withLedgerOf(ctx, s, func(l cdnLedger) error {
		c, err := service.New(ctx, s, service.Options{Store: l.Store, Logger: a.logger()})
		if err != nil {
			return wrongCDN(err)
		}
		return errors.Join(do(l, c), c.Close())
	})
}

// needRules fails where nobody is told of changes, with what to write where.
func needRules(s settings.Settings) error {
	if service.Configured(s) {
		return nil
	}
	return usagef(`cdn.ini has no rules, so no cache and no CDN is told of changes; write for instance into settings/override/cdn.ini.append.php:
  [CDN]
  Rules[var/]=varnish:front
  [varnish:front]
  Servers[]=http://127.0.0.1:6081`)
}

// wrongCDN is the error of targets or rules that are set wrongly, a line each.
func wrongCDN(err error) error {
	var all problems
	for line := range strings.SplitSeq(err.Error(), "\n") {
		all = append(all, usagef("%s", line))
	}
	return all
}

// needTarget fails unless a target is one of cdn.ini, or one of more; "" is
// any.
func needTarget(s settings.Settings, name string, more ...string) error {
	known := slices.Compact(slices.Sorted(slices.Values(append(s.TargetNames(), more...))))
	switch {
	case name == "" || slices.Contains(known, name):
		return nil
	case len(known) == 0:
		return usagef("there is no target %q: cdn.ini has none; add a group [%s]", name, name)
	}
	return usagef("there is no target %q; there is %s", name, strings.Join(known, ", "))
}

// cdnSubjects are the flags that say what a command is about, beside paths.
type cdnSubjects struct {
	target, prefix, trunk, scope string
	all                          bool
}

// addTarget adds the flag --target.
func (f *cdnSubjects) addTarget(c *cobra.Command, help string) {
	c.Flags().StringVar(&f.target, "target", "", help)
}

// deliveryJSON is a delivery as JSON shows it.
type deliveryJSON struct {
	Target   string `json:"target"`
	State    string `json:"state"`
	Action   string `json:"action"`
	Extent   string `json:"extent"`
	Subject  string `json:"subject"`
	Scope    string `json:"scope"`
	Then     string `json:"then,omitempty"` // targets that are told after it
	Since    string `json:"since"`
	Changed  string `json:"changed"`
	Due      string `json:"due,omitempty"`
	Owner    string `json:"owner,omitempty"` // who is delivering it
	Attempts int    `json:"attempts"`
	Error    string `json:"error,omitempty"`
}

// jsonTime is how JSON says times.
const jsonTime = "2006-01-02T15:04:05.000Z07:00"

func deliveryOf(d metadata.Delivery) deliveryJSON {
	j := deliveryJSON{
		Target: d.Target, State: string(d.State), Action: d.Action, Extent: d.Extent, Subject: d.Subject, Scope: d.Scope, Then: d.Followers,
		Since: d.Since.UTC().Format(jsonTime), Changed: d.Changed.UTC().Format(jsonTime), Owner: d.Owner, Attempts: d.Attempts, Error: d.Error,
	}
	if !d.Due.IsZero() {
		j.Due = d.Due.UTC().Format(jsonTime)
	}
	return j
}

// subjectText is what a delivery is about, for people.
func subjectText(extent, subject string) string {
	switch extent {
	case metadata.DeliveryPath:
		return subject
	case "all":
		return "everything"
	}
	return fmt.Sprintf("%s %s", extent, subject)
}
