package check

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// batchSize is how many bodies without a row are looked at together.
const batchSize = 100

// unclean remembers which body a row means whose name is not clean.
func (r *run) unclean(name string) {
	if clean, err := metadata.CleanName(name); err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.meant[hash(md5.Sum([]byte(clean)))] = true
	}
}

// orphans has the bodies looked at that no row named, some at a time, in the
// order of their hashes.
func (r *run) orphans(look *inspector) error {
	batches := make(map[uint8]*batch)
	err := r.loose.read(span{0, 1 << 32}, func(h hash, fields []byte) error {
		if r.meant[h] {
			return nil
		}
		s := fields[0]
		if batches[s] == nil {
			batches[s] = &batch{at: h.top() >> 32}
		}
		if batches[s].add(string(fields[1:])) < batchSize {
			return nil
		}
		full := batches[s]
		delete(batches, s)
		return look.orphans(full.at, r.stores[s], full.paths)
	})
	for s, b := range batches {
		if err == nil {
			err = look.orphans(b.at, r.stores[s], b.paths)
		}
	}
	r.looked = err == nil
	return err
}

// batch is some bodies of one store, in the order of their hashes within one
// file of the spool.
type batch struct {
	at    uint64
	paths []string
}

func (b *batch) add(path string) int {
	b.paths = append(b.paths, path)
	return len(b.paths)
}

// pending is from which hash on bodies without a row are not looked at.
func (r *run) pending() uint64 {
	if r.looked {
		return 1 << 32
	}
	for i, n := range r.loose.counts() {
		if n > 0 {
			return uint64(i) << 24
		}
	}
	return 1 << 32
}

// orphan is a body without a row, as it is now.
type orphan struct {
	path string
	info backends.Info
}

// inspectOrphans looks again at bodies of one store that no row named, and
// deletes or tells them.
func (r *run) inspectOrphans(ctx context.Context, s *store, paths []string) error {
	if !r.answers(ctx, s) {
		return errLeftOut
	}
	paths, err := r.withoutRow(ctx, paths)
	if err != nil {
		return err
	}
	found, err := r.still(ctx, s, paths)
	if err == nil && !r.Delete {
		found, err = r.committed(ctx, s, found)
	}
	if err != nil {
		return err
	}
	ours := len(found) == 0 || r.clear(ctx, s)
	var doomed []orphan
	for _, o := range found {
		f := Finding{Kind: OrphanBody, Name: o.path, Backend: s.Name, Fix: Delete,
			Detail: fmt.Sprintf("%d bytes, stored %s", o.info.Size, date(o.info.Stored))}
		known, err := r.known(ctx, o.path)
		switch {
		case err != nil:
			return err
		case !known:
			f.Fix, f.Detail = Nothing, f.Detail+"; no row is in its directory, so that it may be somebody else's"
			r.found(f)
		case !ours:
			f.Fix, f.Detail = Nothing, f.Detail+"; the backend has none of the bodies of its rows, so that it may be somebody else's"
			r.found(f)
		case r.Delete:
			doomed = append(doomed, o)
		default:
			r.found(f)
		}
	}
	return r.deleteOrphans(ctx, s, doomed)
}

// withoutRow leaves out what has a row by now, in whichever table and under
// whichever hash.
func (r *run) withoutRow(ctx context.Context, paths []string) ([]string, error) {
	named, err := r.c.Metadata().Named(ctx, paths...)
	if err != nil {
		return nil, err
	}
	rows, err := r.c.Metadata().GetMany(ctx, paths)
	if err != nil {
		return nil, err
	}
	for _, row := range named {
		rows[row.Name] = row.Row
	}
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		_, ok := rows[path]
		return ok
	}), nil
}

// still returns the bodies that are still there and beyond the grace.
func (r *run) still(ctx context.Context, s *store, paths []string) ([]orphan, error) {
	var mu sync.Mutex
	var found []orphan
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.listers)
	for _, path := range paths {
		group.Go(func() error {
			info, err := s.Backend.Stat(ctx, path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case !r.old(info.Stored):
				r.young()
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, orphan{path, info})
			return nil
		})
	}
	err := group.Wait()
	slices.SortFunc(found, func(a, b orphan) int { return strings.Compare(a.path, b.path) })
	return found, err
}

// longCommit is the time that no writer takes from publishing a body to
// committing its row.
const longCommit = time.Hour

// committed leaves out the bodies whose row was only waiting to be committed.
// With the usual grace no body is young enough for that.
func (r *run) committed(ctx context.Context, s *store, found []orphan) ([]orphan, error) {
	var recent []string
	for _, o := range found {
		if o.info.Stored.Add(longCommit).After(r.Now()) {
			recent = append(recent, o.path)
		}
	}
	if len(recent) == 0 {
		return found, nil
	}
	result, err := r.c.FindOrphans(ctx, s.Backend, recent, r.limit())
	return slices.DeleteFunc(found, func(o orphan) bool { return slices.Contains(result.Spared, o.path) }), err
}

// known reports whether a body without a row is the cluster's to delete: there
// are rows below its first two directories, such as var/site, or it is a cache
// file of this site, whose table may have been emptied. What lies beside these,
// or below a wrong mount, or while the tables are empty, may be somebody's.
func (r *run) known(ctx context.Context, path string) (bool, error) {
	if cache := r.layout.VarDir + "/" + r.layout.CacheDir + "/"; strings.HasPrefix(path, cache) {
		return r.anyRow(ctx, "")
	}
	end := 0
	for range 2 {
		if i := strings.IndexByte(path[end:], '/'); i >= 0 {
			end += i + 1
		}
	}
	if end == 0 {
		return false, nil
	}
	return r.anyRow(ctx, path[:end])
}

// anyRow reports whether any row begins with a prefix.
func (r *run) anyRow(ctx context.Context, prefix string) (bool, error) {
	r.mu.Lock()
	known, ok := r.tops[prefix]
	r.mu.Unlock()
	if ok {
		return known, nil
	}
	for _, err := range r.c.Metadata().Rows(ctx, metadata.Filter{Prefix: prefix, PageSize: 1}) {
		if err != nil {
			return false, err
		}
		known = true
		break
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tops[prefix] = known
	return known, nil
}

// deleteOrphans deletes and tells.
func (r *run) deleteOrphans(ctx context.Context, s *store, doomed []orphan) error {
	if len(doomed) == 0 {
		return nil
	}
	paths := make([]string, len(doomed))
	for i, o := range doomed {
		paths[i] = o.path
	}
	result, err := r.c.DeleteOrphans(ctx, s.Backend, paths, r.limit())
	if err != nil {
		return err
	}
	for _, o := range doomed {
		f := Finding{Kind: OrphanBody, Name: o.path, Backend: s.Name, Fix: Delete, Action: r.deleted(s.Backend),
			Detail: fmt.Sprintf("%d bytes, stored %s", o.info.Size, date(o.info.Stored))}
		if slices.Contains(result.Spared, o.path) {
			continue
		}
		if err := result.Failed[o.path]; err != nil {
			f.Action, f.Error = "", err.Error()
		}
		r.found(f)
	}
	return nil
}

// leftover looks at a staged body that a listing met.
func (r *run) leftover(ctx context.Context, s *store, l backends.Leftover) error {
	if s.skips(l.Path) || !r.span.has(hash(md5.Sum([]byte(l.Path)))) {
		return nil
	}
	if !r.old(l.Active) || r.lives(l.Writer) {
		r.young()
		return nil
	}
	f := Finding{Kind: StagedLeftover, Name: l.Path, Backend: s.Name, Fix: Delete,
		Detail: fmt.Sprintf("%d bytes, last written %s", l.Size, date(l.Active))}
	if l.Writer.Host != "" {
		f.Detail += fmt.Sprintf(" by process %d of %s", l.Writer.PID, l.Writer.Host)
	}
	why, err := r.foreign(ctx, s, l)
	if err != nil {
		return &spoolError{err}
	}
	lister, ok := backends.As[backends.StagedLister](s.Backend)
	switch {
	case why != "":
		f.Fix, f.Detail = Nothing, f.Detail+"; "+why
	case !ok:
		f.Fix, f.Detail = Nothing, f.Detail+"; the backend cannot remove it"
	case r.Delete:
		done, err := r.drop(ctx, s, lister, l)
		if done {
			f.Action = "deleted"
		} else if err != nil {
			f.Error = err.Error()
		}
	}
	r.found(f)
	return nil
}

// foreign says why a staged body may be somebody else's, or an unfinished upload
// still going on, "" if it is neither. What lies in a tree has a name that only we
// give, but the tree may be another site's.
func (r *run) foreign(ctx context.Context, s *store, l backends.Leftover) (why string, err error) {
	if l.ID != "" {
		known, err := r.known(ctx, l.Path)
		switch {
		case err != nil:
			return "", err
		case !known:
			return "no row is in its directory, so that it may be somebody else's", nil
		case l.Unsure:
			return "it may still be written: grant s3:ListMultipartUploadParts for the time of its last part", nil
		}
	}
	if !r.clear(ctx, s) {
		return "the backend has none of the bodies of its rows, so that it may be somebody else's", nil
	}
	return "", nil
}
