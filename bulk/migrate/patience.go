package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// mayPass reports whether an error may be none a moment later: a store or
// database that does not answer or is too busy, a body that changed meanwhile.
func mayPass(err error) bool {
	for _, kind := range []error{
		backends.ErrUnavailable, backends.ErrChanged, io.ErrUnexpectedEOF,
		metadata.ErrUnavailable, metadata.ErrLocked, metadata.ErrOutcomeUnknown, context.DeadlineExceeded,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return backends.IsRetryable(err) || metadata.IsRetryable(err)
}

// The pauses between attempts.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// persist calls do until it succeeds, fails for good, or has failed for longer
// than anybody's patience.
func (m *Migration) persist(ctx context.Context, do func(context.Context) error) error {
	start := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := do(ctx)
		if err == nil || ctx.Err() != nil || !mayPass(err) {
			return err
		}
		if waited := time.Since(start); waited > m.options.Patience {
			return fmt.Errorf("for %s: %w", waited.Round(time.Second), err)
		}
		if pause > time.Second {
			m.options.Logger.WarnContext(ctx, "waiting", "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// reach makes sure that both stores are there before anything is begun. One that
// does not answer may do so a moment later and is waited for; a bucket that is not
// there, a share that is not mounted or a key that is refused is not: whoever has
// just typed the command is still looking.
func (m *Migration) reach(ctx context.Context) error {
	var final error
	err := m.persist(ctx, func(ctx context.Context) error {
		for _, store := range []backends.Backend{m.from, m.to} {
			if err := store.Ping(ctx); err != nil && !backends.IsRetryable(err) {
				final = err
				return nil
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	return cmp.Or(final, err)
}

// probe finds out whether the target really refuses to replace a body when it is
// told to, since services that do not know the condition ignore it, and whether it
// takes and deletes bodies at all.
func (m *Migration) probe(ctx context.Context) (creates bool, err error) {
	path := strings.TrimSuffix(m.prefix, "/") + "/ezdfs-migrate-" + metadata.Hash(m.owner)
	for range 2 {
		if creates, err = m.probeOnce(ctx, path); err != nil {
			return false, err
		}
	}
	return creates, m.to.Delete(ctx, []string{path})
}

// probeOnce publishes an empty body on condition that there is none and reports
// whether the target refused that because there is one.
func (m *Migration) probeOnce(ctx context.Context, path string) (refused bool, err error) {
	staged, err := m.to.Stage(ctx, path, strings.NewReader(""), backends.Attributes{Size: 0})
	if err != nil {
		return false, err
	}
	defer staged.Discard(context.WithoutCancel(ctx))
	creator, ok := staged.(backends.Creator)
	if !ok {
		return false, staged.Publish(ctx)
	}
	switch err = creator.PublishNew(ctx); {
	case err == nil:
		return false, nil
	case errors.Is(err, fs.ErrExist):
		return true, nil
	case mayPass(err):
		return false, err
	}
	// Is it the condition that is not understood, or is nothing taken?
	return false, staged.Publish(ctx)
}
