package migrate

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/metadata"
)

// outcome is what became of a file.
type outcome int

const (
	pending outcome = iota
	copied          // its body is on the target now
	present         // it was there
	gone            // the file was expired or purged meanwhile
	failed
)

// file is a row whose body is to be copied.
type file struct {
	row     metadata.Row
	source  backends.Info // of the body that is staged
	staged  backends.Staged
	outcome outcome
	err     error         // why it failed
	took    time.Duration // so far

	look      bool // at the target before anything is read
	replace   bool // what the target has is out of date
	published bool // or tried to
	tries     int  // that failed
}

// maxTries is how often a file may fail by something that may pass.
const maxTries = 20

// batchParallel is how many bodies of a batch are read or published at a time.
const batchParallel = 32

// memoryBytes is how much of bodies that are under way may be in memory, as far
// as that depends on how many there are: some stores hold a small one until it is
// published, and of a large one its parts.
const (
	memoryBytes = 64 << 20
	largeMemory = 16 << 20
)

// bytes is how long the bodies of a batch are by their rows.
func (b *batch) bytes() (n int64) {
	for _, f := range b.files {
		n += f.row.Size
	}
	return n
}

// memory is what the bodies of a batch may take.
func (b *batch) memory() int64 { return min(b.bytes(), largeMemory) }

// restart forgets what an earlier attempt made of a file. Whatever went wrong,
// the locks were lost, so that what was published is compared, not believed.
func (f *file) restart(look bool) {
	f.look = f.look || look || f.published || f.row.Size > smallBody
	f.outcome, f.err, f.staged, f.replace = pending, nil, nil, false
}

// each calls do for the files with an outcome, many at a time, and returns the
// first error, which is none of a single file.
func (b *batch) each(ctx context.Context, m *Migration, of outcome, do func(context.Context, *file) error) error {
	var group errgroup.Group // what one file meets is no reason to break off the others
	group.SetLimit(batchParallel)
	for _, f := range b.files {
		if f.outcome != of {
			continue
		}
		group.Go(func() error {
			start := time.Now()
			err := do(ctx, f)
			f.took += time.Since(start)
			if err != nil {
				return m.judge(ctx, f, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// judge tells the errors that are a file's own from those that may pass. What
// does not pass after many attempts is its own, too, while both stores answer.
func (m *Migration) judge(ctx context.Context, f *file, err error) error {
	var database *metadata.Error
	if ctx.Err() != nil || errors.Is(err, backends.ErrNoSpace) || errors.As(err, &database) {
		return err
	}
	if f.tries++; mayPass(err) && (f.tries < maxTries || errors.Join(m.from.Ping(ctx), m.to.Ping(ctx)) != nil) {
		return err
	}
	f.outcome, f.err = failed, err
	return nil
}

// discard drops what was staged and not published.
func (b *batch) discard(ctx context.Context) {
	for _, f := range b.files {
		if f.staged != nil {
			f.staged.Discard(context.WithoutCancel(ctx)) // leaves a staged body, which no reader sees
			f.staged = nil
		}
	}
}

// counts is what became of the files.
func (b *batch) counts() (c metadata.MigrationCounts) {
	for _, f := range b.files {
		switch f.outcome {
		case copied:
			c.Copied++
			c.Bytes += f.row.Size
		case present:
			c.Present++
		case gone:
			c.Gone++
		case failed:
			c.Failed++
		}
	}
	return c
}

// report tells what became of the files, once that is committed.
func (b *batch) report(progress *bulk.Progress) {
	for _, f := range b.files {
		switch f.outcome {
		case copied:
			progress.Add(f.row.Name, f.row.Size, f.took)
		case present, gone:
			progress.Skip(1)
		case failed:
			progress.Fail(f.row.Name, f.err)
		}
	}
}
