package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

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
	if err := bulk.Batches(ctx, z.pool, ezdbBatch, z.files(ctx, options.Prefix), z.store); err != nil {
		return err
	}
	return z.progress.Err("import")
}

type ezdbImport struct {
	c        *cluster.Cluster
	source   *ezdb.Source
	counts   *Counts
	progress *bulk.Progress
	pool     *bulk.Pool
}

// files yields the files that exist under names that the cluster knows.
func (z *ezdbImport) files(ctx context.Context, prefix string) iter.Seq2[ezdb.File, error] {
	return func(yield func(ezdb.File, error) bool) {
		for file, err := range z.source.Files(ctx, prefix) {
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

// store stores a batch.
func (z *ezdbImport) store(ctx context.Context, files []ezdb.File) error {
	items, err := z.wanted(ctx, files)
	if err != nil {
		return err
	}
	var down error
	stored := 0
	for i, result := range z.c.StoreFiles(ctx, items) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err() // interrupted, not failed
		case result.Err == nil:
			stored++
			z.progress.Add(items[i].Path, result.Row.Size, result.Took)
		case errors.Is(result.Err, ezdb.ErrGone):
			z.counts.skip(Gone)
		case isDown(result.Err) || isLost(result.Err):
			down = result.Err
			fallthrough
		default:
			z.progress.Fail(items[i].Path, cause(result.Err))
		}
	}
	if stored == 0 && down != nil {
		return down // the next batch would meet the same
	}
	return nil
}

// cause leaves out what a store made of it that it could not read a body.
func cause(err error) error {
	if fault := (*ezdb.Error)(nil); errors.As(err, &fault) {
		return fault
	}
	return err
}

// isLost reports whether the old cluster's database failed to answer.
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
