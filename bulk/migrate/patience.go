package migrate

import (
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

// probe finds out whether the target really refuses to replace a body when it is
// told to: services that do not know the condition ignore it.
func (m *Migration) probe(ctx context.Context) (creates bool, err error) {
	path := strings.TrimSuffix(m.prefix, "/") + "/ezdfs-migrate-" + metadata.Hash(m.owner)
	for range 2 {
		staged, err := m.to.Stage(ctx, path, strings.NewReader(""), backends.Attributes{Size: 0})
		if err != nil {
			return false, err
		}
		defer staged.Discard(context.WithoutCancel(ctx))
		creator, ok := staged.(backends.Creator)
		if !ok {
			return false, nil
		}
		if err = creator.PublishNew(ctx); err != nil {
			creates = errors.Is(err, fs.ErrExist)
			if !creates && mayPass(err) {
				return false, err
			}
		}
	}
	return creates, m.to.Delete(ctx, []string{path})
}
