package cluster

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"example.com/ezdfs/metadata"
)

// ErrGenerationLost says that what was generated was not stored: somebody took
// the generation over after CacheGenerationTimeout, the file was deleted
// meanwhile, or it was stored anew. It may be shown, since it was right when
// it was asked for.
var ErrGenerationLost = metadata.ErrGenerationLost

// GeneratingError says that another process generates a file.
type GeneratingError = metadata.GeneratingError

// Generation is the exclusive right to generate one cache file, on all hosts
// and against PHP (contract section 3). It ends with End or Abort. Programs
// that just want a cached page use [Cluster.GetOrGenerate].
type Generation struct {
	c       *Cluster
	name    string
	options StoreOptions
	lock    metadata.GenerationLock
	before  metadata.Row // the file's row when the lock was taken
	existed bool         // there was one
}

// StartGeneration takes the right to generate path. When somebody else has it
// the error is a *GeneratingError, which says for how long; a right that is
// older than CacheGenerationTimeout is taken over.
func (c *Cluster) StartGeneration(ctx context.Context, path string, options StoreOptions) (*Generation, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return nil, err
	}
	if err := notALock(name); err != nil {
		return nil, err
	}
	g := &Generation{c: c, name: name, options: options}
	target := c.newRow(name, options.Scope, options.DataType, c.now())
	if err := c.meta.CheckRow(target); err != nil {
		return nil, err
	}
	if g.lock, err = c.meta.LockGeneration(ctx, target, c.now(), c.generationTimeout); err != nil {
		return nil, err
	}
	// Only now: what another generation ended until here is not expired any more.
	g.before, err = c.meta.Get(ctx, name)
	g.existed = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, g.Abort(ctx))
	}
	return g, nil
}

// Current returns the file's row as it was when the generation started, for
// whoever wants to see whether somebody else has just ended one.
func (g *Generation) Current() (row metadata.Row, exists bool) { return g.before, g.existed }

// Check makes sure that the right is still held and restarts its timeout: to
// be called now and then by generators that take long. The error is
// ErrGenerationLost when it is not.
func (g *Generation) Check(ctx context.Context) error {
	lock, err := g.c.meta.RefreshGeneration(ctx, g.lock, g.c.now())
	g.lock = lock
	return err
}

// End stores what was generated, as Store does, and gives the right up. On any
// error nothing is stored, and the right is given up all the same; it is
// ErrGenerationLost when there was a reason not to store.
func (g *Generation) End(ctx context.Context, body io.Reader) (metadata.Row, error) {
	row, err := g.end(ctx, body)
	if err != nil {
		err = errors.Join(err, g.Abort(ctx))
	}
	return row, err
}

func (g *Generation) end(ctx context.Context, body io.Reader) (metadata.Row, error) {
	if err := g.Check(ctx); err != nil {
		return metadata.Row{}, err
	}
	row, staged, err := g.c.stage(ctx, g.name, body, g.options)
	if err != nil {
		return metadata.Row{}, err
	}
	defer g.c.discard(ctx, staged, g.name)
	g.c.step(stepStaged)
	return row, g.c.publish(ctx, row, staged, g.release)
}

// release is what the end of a generation does first in its transaction: it
// locks the rows of generation and file, and makes sure that neither changed.
func (g *Generation) release(tx *metadata.Tx) error {
	now, exists, err := tx.EndGeneration(g.lock)
	if err != nil {
		return err
	}
	if !g.unchanged(now, exists) {
		return ErrGenerationLost
	}
	return g.sweep(tx)
}

// unchanged reports whether the file's row is what it was. An expired one may
// have been purged since; anything else means that the file was stored or
// deleted while it was being generated.
func (g *Generation) unchanged(now metadata.Row, exists bool) bool {
	if !exists {
		return !g.existed || !g.before.Live()
	}
	return g.existed && now.Size == g.before.Size && now.MTime == g.before.MTime && now.Expired == g.before.Expired
}

// sweep deletes what a PHP process that lost the right may have left under the
// name of the lock, which tx holds. Failing to leaves an orphan.
func (g *Generation) sweep(tx *metadata.Tx) error {
	if !g.lock.TakenOver {
		return nil
	}
	left := g.lock.Row().Name
	if err := tx.Hold(); err != nil {
		return err
	}
	if err := g.c.stores.Delete(tx.Context(), []string{left}); err != nil {
		g.c.logger.WarnContext(tx.Context(), "what a generation left could not be removed", "path", left, "error", err)
	}
	return nil
}

// abortTimeout bounds giving a right up, which is done also for a caller that
// is gone.
const abortTimeout = 10 * time.Second

// Abort gives the right up and stores nothing. It does nothing if the right is
// lost already.
func (g *Generation) Abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	err := g.c.meta.Update(ctx, func(tx *metadata.Tx) error {
		if _, _, err := tx.EndGeneration(g.lock); err != nil {
			return err
		}
		return g.sweep(tx)
	})
	if errors.Is(err, ErrGenerationLost) {
		return nil
	}
	return err
}
