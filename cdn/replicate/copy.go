package replicate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// maxAttempts is how often one delivery follows a path that keeps changing.
const maxAttempts = 5

// errChanging: the path changed under every attempt. Another delivery will
// find it at rest.
var errChanging = errors.New("the file keeps changing")

// errNoBody: a live row has no body, which is for `check` to find and for the
// replica no reason to lose its copy.
var errNoBody = errors.New("the row is live, but there is no body to copy")

// sync makes one path what the source says.
func (t *Target) sync(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(t.cfg.Timeout, time.Hour))
	defer cancel()
	var last error
	for attempt := range maxAttempts {
		if attempt > 0 {
			if err := sleep(ctx, t.pause); err != nil {
				return err
			}
		}
		err := t.once(ctx, path)
		if last = err; !errors.Is(err, errChanging) && !errors.Is(err, errNoBody) && !errors.Is(err, backends.ErrChanged) {
			return err
		}
	}
	return last
}

// once makes one attempt.
func (t *Target) once(ctx context.Context, path string) error {
	row, live, err := t.row(ctx, path)
	if err != nil {
		return err
	}
	if !live {
		return t.drop(ctx, path)
	}
	body, err := t.from.Bodies.Open(ctx, path, 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoBody
	}
	if err != nil {
		return err
	}
	defer body.Close()
	have, err := t.to.Stat(ctx, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && t.same(row, body.Info(), have) {
		return nil
	}
	return t.copy(ctx, row, body)
}

// same reports whether a copy is that of a body.
func (t *Target) same(row metadata.Row, body, have backends.Info) bool {
	return have.Size == body.Size && have.ModTime.Unix() == row.ModTime().Unix() &&
		(have.ContentType == "" || row.DataType == "" || have.ContentType == row.DataType) &&
		have.Stored.After(body.Stored.Add(t.settled))
}

// copy stages a body, makes sure that it is still the one, publishes it, and
// makes sure again.
func (t *Target) copy(ctx context.Context, row metadata.Row, body backends.Reader) error {
	t.step("stage")
	staged, err := t.to.Stage(ctx, row.Name, body, backends.Attributes{
		Size: body.Info().Size, ModTime: row.ModTime(), ContentType: backends.CleanType(row.DataType),
	})
	if err != nil {
		return err
	}
	defer staged.Discard(context.WithoutCancel(ctx))
	t.step("staged")
	if err := t.unchanged(ctx, row, body.Info()); err != nil {
		return err
	}
	t.step("publish")
	if err := staged.Publish(ctx); err != nil {
		return err
	}
	t.step("published")
	if err := t.unchanged(ctx, row, body.Info()); err != nil {
		return err
	}
	return t.verify(ctx, row, body.Info())
}

// unchanged makes sure that row and body of the source are what was read.
func (t *Target) unchanged(ctx context.Context, row metadata.Row, body backends.Info) error {
	now, _, err := t.row(ctx, row.Name)
	if err != nil {
		return err
	}
	if now != row {
		return errChanging
	}
	info, err := t.from.Bodies.Stat(ctx, row.Name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Version != body.Version {
		return errChanging
	}
	return err
}

// verify asks the replica what it has now. The bytes on their way are the
// business of its store, which checks lengths, and checksums where it has any.
func (t *Target) verify(ctx context.Context, row metadata.Row, body backends.Info) error {
	have, err := t.to.Stat(ctx, row.Name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && have.Size != body.Size {
		return fmt.Errorf("%w: %s has %d bytes of %d after publishing", errChanging, t.to.Name(), have.Size, body.Size)
	}
	return err
}

// drop deletes the copy of what is not live, and comes back where it has
// become so meanwhile.
func (t *Target) drop(ctx context.Context, path string) error {
	t.step("delete")
	if err := t.to.Delete(ctx, []string{path}); err != nil {
		return err
	}
	t.step("deleted")
	if _, live, err := t.row(ctx, path); err != nil || !live {
		return err
	}
	return errChanging
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
