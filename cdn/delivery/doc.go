// Package delivery brings every change of the cluster to every cache and CDN
// that a rule names for it, or tells somebody that it could not.
//
//	change feed → rules → ledger → workers → targets
//
// The ledger is a table of the metadata store. One host at a time feeds it: the
// position in the change feed and the deliveries that follow from it commit
// together, so that a crash neither loses nor skips a change. Any number of
// hosts deliver: a worker leases what is due for its target, and what it does
// not finish, because it died, is leased by another when its lease is over.
// Everything is delivered at least once, and in the ordinary case once.
//
//	rules, err := delivery.NewRules(list)
//	p, err := delivery.New(store, targets, rules, delivery.Options{Logger: logger, Registerer: registry})
//	err = p.Run(ctx, source) // until ctx is done
//
// Changes of one path join while they wait, and are never under way twice at
// one target. A family of paths (a prefix, a trunk, a scope) is one delivery
// where the target has a name for it; elsewhere it is expanded from the table,
// page by page, and goes on after a crash where it stopped. A backlog of paths
// becomes prefixes where those cost less.
//
// The package does not know any service: that is what the targets are for. Nor
// does it make them, or read settings.
package delivery
