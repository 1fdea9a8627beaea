package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/ezdb"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// ezdbBatch is how many files a worker stores together.
const ezdbBatch = 100

// EZDBOptions say what is imported. The zero value imports everything.
type EZDBOptions struct {
	// Prefix is what the paths begin with.
	Prefix string
	// Limits are for batches of a hundred files.
	Limits bulk.Limits
	// Waiting is for stores and databases that do not answer.
	Waiting bulk.Waiting
	// Counts, when set, counts along.
	Counts *Counts
}

// EZDB stores the files of an older database cluster, with the types, scopes
// and modification times they have there; where the old one knows no scope the
// path tells it. Contents are streamed and must be
// what their rows describe; a file of which that is not so is counted and named
// and does not stop the others.
//
// The cluster keeps what is at least as new, and stays without what was deleted
// there since, so a first import can be made while the old cluster still
// serves, and repeated for what has changed. The old one is only read; what is
// expired there is left.
func EZDB(ctx context.Context, c *cluster.Cluster, source *ezdb.Source, options EZDBOptions) error {
	z := &ezdbImport{c: c, source: source, counts: options.Counts}
	if z.counts == nil {
		z.counts = NewCounts(nil)
	}
	z.progress = z.counts.progress
	z.pool = bulk.NewPool(options.Limits, z.progress)
	z.outages = bulk.NewOutages(c, options.Waiting, z.progress, bulk.Service{
		Name: "the old cluster", Ping: source.Ping, Silent: func(err error) bool { return errors.Is(err, ezdb.ErrUnavailable) },
	})
	files := bulk.Present(z.outages, z.files(ctx, options.Prefix), func(file ezdb.File) string { return file.Name })
	return z.outages.Result(ctx, "import", bulk.Batches(ctx, z.pool, ezdbBatch, files, z.store))
}

type ezdbImport struct {
	c        *cluster.Cluster
	source   *ezdb.Source
	counts   *Counts
	progress *bulk.Progress
	pool     *bulk.Pool
	outages  *bulk.Outages
}

// files yields the files that exist under names that the cluster knows.
func (z *ezdbImport) files(ctx context.Context, prefix string) iter.Seq2[ezdb.File, error] {
	list := func(after string) iter.Seq2[ezdb.File, error] { return z.source.Files(ctx, prefix, after) }
	return func(yield func(ezdb.File, error) bool) {
		for file, err := range bulk.Resume(ctx, z.outages, list, ezdb.File.Position) {
			clean, unclean := metadata.CleanName(file.Name)
			switch {
			case err != nil:
				yield(ezdb.File{}, err)
				return
			case metadata.IsGenerating(file.Name):
				z.counts.skip(Lock)
			case !file.Live():
				z.counts.skip(Expired)
			case clean != file.Name:
				z.progress.Fail(file.Name, cmp.Or(unclean, fmt.Errorf("%q would be stored as %q, which is another file", file.Name, clean)))
			case file.Size < 0:
				z.progress.Fail(file.Name, errors.New("the row has a size that no file can have: correct it in the old cluster"))
			case !yield(file, nil):
				return
			}
		}
	}
}

// store stores a batch, and what a store failed at once more when it answers again.
func (z *ezdbImport) store(ctx context.Context, files []ezdb.File) error {
	for tries := 0; len(files) > 0; tries++ {
		files = slices.DeleteFunc(files, func(file ezdb.File) bool { return z.outages.Leaves(file.Name) })
		var items []cluster.Item
		err := z.outages.Persist(ctx, func() (err error) {
			items, err = z.wanted(ctx, files)
			return err
		})
		if err != nil {
			return err
		}
		again, err := z.storeItems(ctx, items, tries)
		if err != nil {
			return err
		}
		files = slices.DeleteFunc(files, func(file ezdb.File) bool { return !again[file.Name] })
	}
	return nil
}

// storeItems stores files and returns the names of those to try again.
func (z *ezdbImport) storeItems(ctx context.Context, items []cluster.Item, tries int) (map[string]bool, error) {
	begun, again := time.Now(), make(map[string]bool)
	var lost error
	stored := 0
	for i, result := range z.c.StoreFiles(ctx, items) {
		switch path := items[i].Path; {
		case ctx.Err() != nil:
			return nil, ctx.Err() // interrupted, not failed
		case result.Err == nil:
			stored++
			z.outages.Worked(path)
			z.progress.Add(path, result.Row.Size, result.Took)
		case errors.Is(result.Err, ezdb.ErrGone):
			z.counts.skip(Gone)
		case isLost(result.Err):
			lost = result.Err
			z.progress.Fail(path, cause(result.Err))
		case z.outages.Again(ctx, path, cause(result.Err), begun, tries):
			again[path] = true
		}
	}
	if stored == 0 && lost != nil {
		return nil, lost // the next batch would meet the same
	}
	return again, ctx.Err()
}

// cause leaves out what a store made of it that it could not read a body.
func cause(err error) error {
	if fault := (*ezdb.Error)(nil); errors.As(err, &fault) {
		return fault
	}
	return err
}

// isLost reports whether the old cluster's database answered with an error.
func isLost(err error) bool {
	var fault *ezdb.Error
	return errors.As(err, &fault) && fault.Kind == nil
}

// wanted leaves out what the cluster has, or had.
func (z *ezdbImport) wanted(ctx context.Context, files []ezdb.File) ([]cluster.Item, error) {
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = file.Name
	}
	rows, err := z.c.Metadata().GetMany(ctx, names)
	if err != nil {
		return nil, err
	}
	items := make([]cluster.Item, 0, len(files))
	var bytes int64
	for _, file := range files {
		if row, there := rows[file.Name]; there {
			if reason := has(row, file); reason != "" {
				z.counts.skip(reason)
				continue
			}
		}
		bytes += file.Size
		items = append(items, z.item(file))
	}
	if z.pool.Paced() { // each body is, while it is read
		return items, nil
	}
	return items, z.pool.Wait(ctx, bytes)
}

// has says why the cluster needs no file, or nothing. An mtime of 0 is stored
// as 1.
func has(row metadata.Row, file ezdb.File) Reason {
	there, here := row.ModTime().Unix(), max(file.MTime, 1)
	switch {
	case !row.Live() && there >= here:
		return Expired
	case row.Live() && there > here:
		return Newer
	case row.Live() && there == here && row.Size == file.Size:
		return Equal
	}
	return ""
}

func (z *ezdbImport) item(file ezdb.File) cluster.Item {
	if file.Scope == "" { // the oldest tables have none, or rows without
		file.Scope = bulk.ScopeOf(z.c.Metadata().Layout(), file.Name)
	}
	return cluster.Item{
		Path: file.Name,
		Options: cluster.StoreOptions{
			Scope: file.Scope, DataType: file.DataType, ModTime: file.ModTime(), Size: file.Size,
		},
		Open: func(ctx context.Context) (io.ReadCloser, error) {
			body, err := z.source.OpenFile(ctx, file)
			if err != nil || !z.pool.Paced() {
				return body, err
			}
			return paced{z.pool.Reader(ctx, body), body}, nil
		},
	}
}

// paced is a body that is read as fast as the bandwidth allows.
type paced struct {
	io.Reader
	io.Closer
}
