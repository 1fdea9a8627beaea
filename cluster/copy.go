package cluster

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Copy copies the live file src to dst, replacing any file there, with scope,
// datatype, mtime and size. Inside one store no byte passes through this
// process. A source that changes meanwhile is copied again, so that row and
// body of dst always come from one version of src.
func (c *Cluster) Copy(ctx context.Context, src, dst string) (metadata.Row, error) {
	return c.transfer(ctx, src, dst, metadata.KindCopy, false)
}

// Move gives the live file src the path dst, replacing any file there. In one
// commit dst appears and src expires; then src is purged. Moving a path to
// itself does nothing.
func (c *Cluster) Move(ctx context.Context, src, dst string) (metadata.Row, error) {
	return c.transfer(ctx, src, dst, metadata.KindMove, true)
}

func (c *Cluster) transfer(ctx context.Context, src, dst string, kind metadata.Kind, move bool) (metadata.Row, error) {
	from, err := metadata.CleanName(src)
	if err != nil {
		return metadata.Row{}, err
	}
	to, err := metadata.CleanName(dst)
	if err == nil {
		err = notALock(to)
	}
	if err != nil {
		return metadata.Row{}, err
	}
	for attempt := 1; ; attempt++ {
		t := &transfer{c: c, kind: kind, move: move}
		err := t.run(ctx, from, to)
		if err == nil || attempt >= c.retries || !errors.Is(err, backends.ErrChanged) {
			return t.dst, err
		}
		if err := sleep(ctx, retryPause); err != nil {
			return t.dst, err
		}
	}
}

// transfer is one attempt to copy or move a file.
type transfer struct {
	c        *Cluster
	kind     metadata.Kind
	move     bool
	src, dst metadata.Row
	staged   backends.Staged
	body     backends.Info // of the source that staged is a copy of
}

func (t *transfer) run(ctx context.Context, from, to string) error {
	c := t.c
	if err := t.readSource(ctx, from); err != nil {
		return err
	}
	if from == to {
		t.dst = t.src
		return nil
	}
	t.dst = c.newRow(to, t.src.Scope, t.src.DataType, t.src.ModTime())
	t.dst.Size = t.src.Size
	if err := c.meta.CheckRow(t.dst); err != nil {
		return err
	}
	var err error
	if t.staged, t.body, err = c.stores.StageCopy(ctx, from, to); err != nil {
		return t.sourceError(ctx, err)
	}
	defer c.discard(ctx, t.staged, to)
	c.step(stepStaged)
	if t.staged.Size() != t.src.Size {
		// The row lags its body, or a writer came between: look again.
		_, err := c.mend(ctx, from)
		return errors.Join(&backends.Error{Backend: "cluster", Op: "copy", Path: from, Kind: backends.ErrChanged}, err)
	}
	return t.commit(ctx)
}

// sourceError tells a live source without a body from one that was removed
// meanwhile: both read as fs.ErrNotExist to the store.
func (t *transfer) sourceError(ctx context.Context, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := t.readSource(ctx, t.src.Name); err != nil {
		return err
	}
	return &BodyMissingError{Path: t.src.Name, Backend: t.c.stores.Route(t.src.Name).Backend.Name(), Err: err}
}

func (t *transfer) readSource(ctx context.Context, from string) (err error) {
	if t.src, err = t.c.meta.Get(ctx, from); err != nil {
		return err
	}
	if !t.src.Live() {
		return &ExpiredError{from}
	}
	return nil
}

// commit locks both rows, makes sure that the source still is what was staged,
// publishes the copy and commits its row.
func (t *transfer) commit(ctx context.Context) error {
	c, published := t.c, false
	err := c.meta.Update(ctx, func(tx *metadata.Tx) error {
		if err := t.lock(tx); err != nil {
			return err
		}
		if err := t.checkBody(ctx); err != nil {
			return err
		}
		if err := t.record(tx); err != nil {
			return err
		}
		c.step(stepLocked)
		if err := tx.Pin(); err != nil {
			return err
		}
		published = true
		if err := t.staged.Publish(tx.Context()); err != nil {
			return err
		}
		c.step(stepPublished)
		return nil
	})
	if err != nil && published {
		c.finish(ctx, err, t.dst)
	}
	if published {
		t.tell()
	}
	if err != nil {
		return err
	}
	if t.move {
		c.step(stepMoved)
		t.purgeSource(ctx)
	}
	c.step(stepCommitted)
	return nil
}

func (t *transfer) tell() {
	t.c.tellRows(t.dst)
	if t.move {
		t.c.tellRows(t.src)
	}
}

// lock takes the locks of both rows in the order of their hashes, as every
// writer of several rows does, and gives dst its values.
func (t *transfer) lock(tx *metadata.Tx) error {
	locks := []func() error{
		func() error { return t.lockSource(tx) },
		func() error { return tx.Upsert(t.dst) },
	}
	if t.dst.Hash() < t.src.Hash() {
		locks[0], locks[1] = locks[1], locks[0]
	}
	for _, lock := range locks {
		if err := lock(); err != nil {
			return err
		}
	}
	return nil
}

func (t *transfer) lockSource(tx *metadata.Tx) error {
	rows, err := tx.Lock(t.src)
	if err != nil {
		return err
	}
	if len(rows) == 0 || rows[0] != t.src {
		return &backends.Error{Backend: "metadata", Op: "copy", Path: t.src.Name, Kind: backends.ErrChanged}
	}
	return nil
}

// checkBody makes sure, under the lock, that the source is the body that was
// staged: its row may look the same after a change within one second.
func (t *transfer) checkBody(ctx context.Context) error {
	info, err := t.c.stores.Stat(ctx, t.src.Name)
	if err == nil && info.Version != t.body.Version {
		err = &backends.Error{Backend: "cluster", Op: "copy", Path: t.src.Name, Kind: backends.ErrChanged}
	}
	return err
}

func (t *transfer) record(tx *metadata.Tx) error {
	changes := []metadata.Change{{Kind: t.kind, Subject: t.dst.Name, Scope: t.dst.Scope}}
	if t.move {
		if _, err := tx.Expire(t.src); err != nil {
			return err
		}
		changes = append(changes, metadata.Change{Kind: metadata.KindExpire, Subject: t.src.Name, Scope: t.src.Scope})
	}
	return tx.Record(changes...)
}

// purgeSource removes what a move left behind, and no other file that was stored
// there and expired since: that may have to go into a trash. The move is done
// whatever happens here: an expired row and its body are what the next purge removes.
func (t *transfer) purgeSource(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendTimeout)
	defer cancel()
	left := t.src
	left.Expired, left.MTime = true, -max(left.MTime, -left.MTime)
	batch, err := t.c.purge(ctx, []metadata.Row{left}, time.Time{}, onlyRows(left))
	if err = errors.Join(err, batch.err()); err != nil {
		t.c.logger.WarnContext(ctx, "the source of a move is left to the next purge", "path", t.src.Name, "error", err)
	}
}
