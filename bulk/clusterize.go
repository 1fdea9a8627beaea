package bulk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// batchSize is how many files a worker stores together.
const batchSize = 100

// ClusterizeOptions say how files are stored. The zero value is usable.
type ClusterizeOptions struct {
	// Limits are for batches of a hundred files.
	Limits Limits
	// Remove removes each local file once it is stored.
	Remove bool
	// Waiting is for stores and databases that do not answer.
	Waiting Waiting
	// Progress, when set, counts along.
	Progress *Progress
}

// Clusterize stores the local files that source yields. A file whose row is
// live and has the same size and modification time is there and equal, and is
// skipped; the same call therefore resumes an interrupted one. A file that
// fails is counted and named in Progress and does not stop the others; those of a
// store that does not answer are left, which an *OutageError tells.
func Clusterize(ctx context.Context, c *cluster.Cluster, source iter.Seq2[cluster.Item, error], options ClusterizeOptions) error {
	z := &clusterizer{c: c, options: options, progress: options.Progress}
	if z.progress == nil {
		z.progress = new(Progress)
	}
	z.pool = NewPool(options.Limits, z.progress)
	z.outages = NewOutages(c, options.Waiting, z.progress)
	files := Present(z.outages, source, func(item cluster.Item) string { return item.Path })
	return z.outages.Result(ctx, "clusterize", Batches(ctx, z.pool, batchSize, files, z.store))
}

type clusterizer struct {
	c        *cluster.Cluster
	options  ClusterizeOptions
	progress *Progress
	pool     *Pool
	outages  *Outages
}

// store stores a batch, and what a store failed at once more when it answers again.
func (z *clusterizer) store(ctx context.Context, items []cluster.Item) error {
	for tries := 0; len(items) > 0; tries++ {
		items = slices.DeleteFunc(items, func(item cluster.Item) bool { return z.outages.Leaves(item.Path) })
		var fresh []cluster.Item
		err := z.outages.Persist(ctx, func() (err error) {
			fresh, err = z.withoutEqual(ctx, items)
			return err
		})
		if err != nil {
			return err
		}
		if items, err = z.storeFresh(ctx, fresh, tries); err != nil {
			return err
		}
	}
	return nil
}

// storeFresh stores files and returns those to try again.
func (z *clusterizer) storeFresh(ctx context.Context, items []cluster.Item, tries int) (again []cluster.Item, err error) {
	begun := time.Now()
	results, err := z.storeAll(ctx, items)
	if err != nil {
		return nil, err
	}
	for i, result := range results {
		if err := ctx.Err(); err != nil {
			return nil, err // interrupted, not failed
		}
		item := items[i]
		if result.Err == nil {
			z.progress.Add(item.Path, result.Row.Size, result.Took)
			z.outages.Worked(item.Path)
			z.remove(item, result.Row)
		} else if z.outages.Again(ctx, item.Path, result.Err, begun, tries) {
			again = append(again, item)
		}
	}
	return again, ctx.Err()
}

// pacedAlone is the size from which a file is stored by itself when there is a
// limit of bandwidth: waiting before would be too long, and what follows too
// fast.
const pacedAlone = 1 << 20

// storeAll stores files as fast as the bandwidth allows.
func (z *clusterizer) storeAll(ctx context.Context, items []cluster.Item) ([]cluster.Result, error) {
	results := make([]cluster.Result, len(items))
	var together []cluster.Item
	var index []int
	var bytes int64
	for i, item := range items {
		info, err := os.Stat(item.File)
		if err == nil && info.Mode().IsRegular() && info.Size() > pacedAlone && z.pool.Paced() {
			results[i] = z.storePaced(ctx, item, info)
			continue
		}
		if err == nil {
			bytes += info.Size()
		}
		together, index = append(together, item), append(index, i)
	}
	if err := z.pool.Wait(ctx, bytes); err != nil {
		return nil, err
	}
	for i, result := range z.c.StoreFiles(ctx, together) {
		results[index[i]] = result
	}
	return results, nil
}

func (z *clusterizer) storePaced(ctx context.Context, item cluster.Item, info os.FileInfo) (result cluster.Result) {
	defer func(start time.Time) { result.Took = time.Since(start) }(time.Now())
	f, err := os.Open(item.File)
	if err != nil {
		return cluster.Result{Err: err}
	}
	defer f.Close()
	options := item.Options
	options.Size = info.Size()
	if options.ModTime.IsZero() {
		options.ModTime = info.ModTime()
	}
	result.Row, result.Err = z.c.Store(ctx, item.Path, z.pool.Reader(ctx, f), options)
	return result
}

// withoutEqual leaves out the files that are stored already.
func (z *clusterizer) withoutEqual(ctx context.Context, items []cluster.Item) ([]cluster.Item, error) {
	names := make([]string, len(items))
	for i, item := range items {
		names[i] = item.Path
	}
	rows, err := z.c.Metadata().GetMany(ctx, names)
	if err != nil {
		return nil, err
	}
	fresh := make([]cluster.Item, 0, len(items))
	for _, item := range items {
		if clean, err := metadata.CleanName(item.Path); err != nil || clean != item.Path {
			z.progress.Fail(item.Path, cmp.Or(err, fmt.Errorf("%q would be stored as %q, which is another file", item.Path, clean)))
			continue
		}
		row, stored := rows[item.Path]
		info, err := os.Stat(item.File)
		if stored && row.Live() && err == nil && row.Size == info.Size() && row.MTime == max(info.ModTime().Unix(), 1) {
			if z.options.Remove && !z.bodyStored(ctx, row) {
				fresh = append(fresh, item)
				continue
			}
			z.progress.Skip(1)
			z.remove(item, row)
			continue
		}
		fresh = append(fresh, item)
	}
	return fresh, nil
}

// bodyStored reports whether the body of a row is really there. Before the
// local file goes, which may be the last copy, its row's word is not enough.
func (z *clusterizer) bodyStored(ctx context.Context, row metadata.Row) bool {
	info, err := z.c.Stores().Stat(ctx, row.Name)
	return err == nil && info.Size == row.Size
}

// remove removes a local file that is stored, if it still is what was stored.
// That it could not is a failure of its own: the file is safe, but not where
// the caller wants it.
func (z *clusterizer) remove(item cluster.Item, row metadata.Row) {
	if !z.options.Remove {
		return
	}
	info, err := os.Stat(item.File)
	if err == nil && (info.Size() != row.Size || max(info.ModTime().Unix(), 1) != row.MTime) {
		err = errors.New("it changed since")
	}
	if err == nil {
		err = os.Remove(item.File)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		z.progress.Fail(item.Path, fmt.Errorf("stored, but not removed: %w", err))
	}
}
