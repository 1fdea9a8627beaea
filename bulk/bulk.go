// Package bulk moves many files at once: from a site's local var directory
// into the cluster and back. It streams, so its memory does not grow with the
// number of files; it works in parallel; and what it did stays done, so that
// the same call resumes after an interruption. Operations on single files are
// package cluster's.
//
//	progress := new(bulk.Progress)
//	err := bulk.Clusterize(ctx, c, bulk.Tree(root, []string{"var/site/storage"}, bulk.TreeOptions{}),
//		bulk.ClusterizeOptions{Progress: progress})
//	fmt.Println(progress.Snapshot())
//
// What such operations share is here too: a [Pool] has the workers, finds how
// many of them make the most of the stores, and keeps to the limits of rate
// and bandwidth; a [Progress] counts what they do.
package bulk
