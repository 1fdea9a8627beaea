package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/ezdfs/cdn/delivery"
	"example.com/ezdfs/cdn/service"
	"example.com/ezdfs/changes/binlog"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// cdnSubject is what findings about the deliveries to caches and CDNs are
// about, beside those about a target.
const cdnSubject = "cdn"

// cdnProbes look at the deliveries, where cdn.ini has anything, and at each
// target.
func (o Options) cdnProbes() []probe {
	names := o.Settings.TargetNames()
	if len(names) == 0 && !service.Configured(o.Settings) {
		return nil
	}
	probes := []probe{{cdnSubject, o.examineCDN}}
	for _, name := range names {
		probes = append(probes, probe{name, func(ctx context.Context) []Finding { return o.examineTarget(ctx, name) }})
	}
	return probes
}

// examineCDN looks at what stands between a change and the targets. A database
// that cannot be used at all is found by its own probe.
func (o Options) examineCDN(ctx context.Context) []Finding {
	if !service.Configured(o.Settings) {
		return []Finding{{Warn, cdnSubject, "cdn.ini has targets but no rules, so nobody is told of changes", "write Rules[var/]=" +
			strings.Join(o.Settings.TargetNames(), ",") + " in [CDN]"}}
	}
	config, err := metadata.ConfigFrom(o.Settings)
	if err != nil {
		return nil
	}
	config.ConnectRetries, config.Logger = 0, o.Logger
	store, err := metadata.Open(ctx, config)
	if err != nil {
		return nil
	}
	defer store.Close()
	switch there, err := store.HasLedger(ctx); {
	case err != nil:
		return []Finding{{Fail, cdnSubject, withoutName("metadata", err), ""}}
	case !there:
		return []Finding{{Fail, cdnSubject, "nothing is delivered: there is no table ezdfs_cdn_delivery", "create it with dfsctl schema create"}}
	}
	found := slices.Concat(o.unseenChanges(ctx, config), emptyRules(ctx, store, o.Settings.CDN.Rules))
	backlog, err := o.examineLedger(ctx, store)
	if found = append(found, backlog...); err != nil {
		found = append(found, Finding{Fail, cdnSubject, withoutName("metadata", err), ""})
	}
	if len(found) == 0 {
		found = []Finding{{Status: OK, Subject: cdnSubject, Text: "changes are delivered"}}
	}
	return found
}

// unseenChanges says which changes nobody is told of, and what would mend that.
func (o Options) unseenChanges(ctx context.Context, config metadata.Config) []Finding {
	const unseen = "changes that PHP makes are not delivered: "
	var unavailable *binlog.UnavailableError
	switch source := o.Settings.Changes.Source; {
	case source == "none":
		return []Finding{{Fail, cdnSubject, "no changes are delivered: file.ini [ChangeFeed] has Source=none", "set it to auto"}}
	case config.Engine != settings.MySQL:
	case source == "journal":
		return []Finding{{Warn, cdnSubject, unseen + "file.ini [ChangeFeed] has Source=journal", "set it to auto"}}
	default:
		if _, err := o.examineBinlog(ctx, config); errors.As(err, &unavailable) {
			return []Finding{{Warn, cdnSubject, unseen + "the binary log cannot be read: " + unavailable.Reason, unavailable.Fix}}
		}
	}
	return nil
}

// emptyRules finds rules that no file has, which are often misspelt.
func emptyRules(ctx context.Context, store *metadata.Store, rules []settings.Rule) (found []Finding) {
	for _, rule := range rules {
		n, err := store.CountUpTo(ctx, rule.Prefix, 1)
		if err == nil && n == 0 {
			found = append(found, Finding{Warn, cdnSubject, fmt.Sprintf("%s: Rules[%s]: no file begins with it", rule.Origin, rule.Prefix),
				"compare it with dfsctl ls, unless files are to come"})
		}
	}
	return found
}

// patience is how long a change may wait before it is worth a remark.
const patience = 10 * time.Minute

// examineLedger says who delivers, what failed and what waits.
func (o Options) examineLedger(ctx context.Context, store *metadata.Store) (found []Finding, err error) {
	workers, err := delivery.Reports(ctx, store)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(workers, func(w delivery.Report) bool { return !w.Silent }) {
		found = append(found, Finding{Warn, cdnSubject, "nobody delivers", "run dfsctl serve, or dfsctl cdn run, as a service"})
	}
	for _, w := range workers {
		if w.Unread != "" && !w.Silent {
			found = append(found, Finding{Fail, cdnSubject, w.Host + " cannot follow the changes: " + w.Unread, ""})
		}
	}
	stats, err := store.DeliveryStats(ctx)
	known := o.Settings.TargetNames()
	for _, s := range stats {
		switch waits := time.Since(s.Oldest); {
		case !slices.Contains(known, s.Target):
			found = append(found, Finding{Warn, cdnSubject, fmt.Sprintf("deliveries wait for %s, which cdn.ini does not have: %d", s.Target, s.Pending),
				"add its group again, or drop them with dfsctl cdn forget " + s.Target})
			continue
		case s.Pending > 0 && waits > patience:
			found = append(found, Finding{Warn, cdnSubject, fmt.Sprintf("deliveries wait for %s, the oldest for %s: %d", s.Target, waits.Round(time.Second), s.Pending),
				"see dfsctl cdn status"})
		}
		if s.Failed > 0 {
			found = append(found, Finding{Warn, cdnSubject, fmt.Sprintf("deliveries to %s failed: %d", s.Target, s.Failed),
				"see dfsctl cdn list --state failed, then dfsctl cdn retry"})
		}
	}
	return found, err
}

// examineTarget makes a round trip to a target. A replica is written to only
// where that is allowed.
func (o Options) examineTarget(ctx context.Context, name string) []Finding {
	place := "see [" + name + "] of cdn.ini"
	if store, ok := settings.BackendName(o.Settings.Targets.Replicate[name].Backend); ok && !o.Write {
		found := o.examineBackend(ctx, store)
		for i := range found {
			found[i].Subject, found[i].Text = name, store+": "+found[i].Text
		}
		return found
	}
	t, err := service.NewTarget(ctx, o.Settings, name, service.Source{}, o.Logger)
	if err != nil {
		return nil // among what is wrong with the settings
	}
	defer t.Close()
	text, err := t.Test(ctx)
	if err != nil {
		return []Finding{{Fail, name, withoutName(name, err), place}}
	}
	return []Finding{{Status: OK, Subject: name, Text: text}}
}

// WrongTargets lists what only the targets themselves can tell of their
// settings, besides what was found already. It reaches none of them.
func WrongTargets(ctx context.Context, s settings.Settings, found []settings.Problem) (more []settings.Problem) {
	faulty := func(group string) bool {
		return slices.ContainsFunc(found, func(p settings.Problem) bool { return p.Group == group && p.Severity == settings.SeverityError })
	}
	add := func(group string, err error) {
		if err != nil {
			more = append(more, settings.Problem{Severity: settings.SeverityError, Group: group, Message: err.Error()})
		}
	}
	for _, name := range s.TargetNames() {
		// Default credentials are looked for on the network, too.
		if g, ok := s.Targets.GoogleCDN[name]; faulty(name) || ok && g.CredentialsFile == "" && g.Endpoint == "" {
			continue
		}
		t, err := service.NewTarget(ctx, s, name, service.Source{}, nil)
		if add(name, err); err == nil {
			t.Close()
		}
	}
	if service.Configured(s) && !faulty("CDN") {
		_, _, err := delivery.FromSettings(s.CDN)
		add("CDN", err)
	}
	return more
}
