// Package importer brings files into a cluster that are not local files of the
// site: [EZDB] those of the older database cluster, and [Bodies] those whose
// bodies lie in a store already, while their rows were lost. Local files are
// what [bulk.Clusterize] is for, and what is wrong with rows that are there is
// package check's.
//
//	counts := importer.NewCounts(progress)
//	err := importer.Bodies(ctx, c, backend, importer.BodiesOptions{Limits: limits, Counts: counts})
//	fmt.Println(counts.Skipped())
//
// Both stream, work in parallel, and find what is there already, so that the
// same call goes on after an interruption.
package importer

import (
	"sync"

	"example.com/ezdfs/bulk"
)

// Reason says why a file was not imported, in words for administrators.
type Reason string

// The reasons of both imports.
const (
	// Equal: the cluster has it as it is.
	Equal Reason = "equal"
	// Expired: it was deleted, in the cluster or where it comes from.
	Expired Reason = "expired"
	// Lock: it is no file but the lock of a cache file's generation.
	Lock Reason = "lock"
	// Gone: it was deleted during the import.
	Gone Reason = "gone"
)

// The reasons of EZDB.
const (
	// Newer: the cluster has a newer one.
	Newer Reason = "newer"
)

// The reasons of Bodies.
const (
	// Differs: its row is live and tells another size. A check says more.
	Differs Reason = "differs"
	// Elsewhere: the rules send its path to another backend, so nobody would
	// find it here.
	Elsewhere Reason = "elsewhere"
	// Unclean: the cluster knows no such path, but another for it.
	Unclean Reason = "unclean"
	// Cache: it is a cache file, and those were not asked for.
	Cache Reason = "cache"
)

// Counts counts files along with a bulk.Progress: those skipped by reason. Its
// methods may be called while an import runs.
type Counts struct {
	progress *bulk.Progress

	mu      sync.Mutex
	skipped map[Reason]int64
	revived int64
}

// NewCounts returns counts that tell progress, too; nil for nobody.
func NewCounts(progress *bulk.Progress) *Counts {
	if progress == nil {
		progress = new(bulk.Progress)
	}
	return &Counts{progress: progress, skipped: make(map[Reason]int64)}
}

// Skipped returns how many files were skipped for each reason there was.
func (c *Counts) Skipped() map[Reason]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	skipped := make(map[Reason]int64, len(c.skipped))
	for reason, n := range c.skipped {
		skipped[reason] = n
	}
	return skipped
}

// Revived returns how many of the files imported had expired.
func (c *Counts) Revived() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.revived
}

func (c *Counts) skip(reason Reason) {
	c.progress.Skip(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skipped[reason]++
}

func (c *Counts) revive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revived++
}
