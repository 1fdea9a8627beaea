// Package service is the CDN push of a site as its settings say it: the targets
// and rules of cdn.ini, the change feed of file.ini, the ledger in the database
// of the cluster.
//
//	s, err := service.New(ctx, settings, service.Options{Store: store, Logger: logger, Registerer: registry})
//	// ...
//	defer s.Close()
//	err = s.Run(ctx) // until ctx is done
//
// How anything is delivered is package delivery's, how a target is called that
// of each target; this one only puts them together. Making a service reaches
// none of the targets: one that is down delays only itself.
package service
