package observe

import (
	"context"
	"errors"
	"time"

	"example.com/ezdfs/backends"
)

// A backend notes the optional operations too; backends.As finds those that the
// watched one has.
var (
	_ backends.Wrapper     = (*backend)(nil)
	_ backends.Copier      = (*backend)(nil)
	_ backends.Renamer     = (*backend)(nil)
	_ backends.PublicURLer = (*backend)(nil)
	_ backends.URLSigner   = (*backend)(nil)
)

// Unwrap implements backends.Wrapper.
func (b *backend) Unwrap() backends.Backend { return b.Backend }

func (b *backend) StageCopy(ctx context.Context, src, dst string) (st backends.Staged, info backends.Info, err error) {
	defer b.timed(ctx, "copy", &err)()
	st, info, err = backends.StageCopy(ctx, b.Backend, src, b.Backend, dst)
	return b.staged(st), info, err
}

func (b *backend) Rename(ctx context.Context, src, dst string) (err error) {
	defer b.timed(ctx, "rename", &err)()
	return backends.Rename(ctx, b.Backend, src, dst)
}

func (b *backend) PublicURL(path string) string {
	if public, ok := backends.As[backends.PublicURLer](b.Backend); ok {
		return public.PublicURL(path)
	}
	return ""
}

func (b *backend) SignURL(ctx context.Context, path string, expires time.Duration) (url string, err error) {
	signer, ok := backends.As[backends.URLSigner](b.Backend)
	if !ok {
		return "", &backends.Error{Backend: b.Name(), Op: "sign", Path: path, Err: errors.ErrUnsupported}
	}
	defer b.timed(ctx, "sign", &err)()
	return signer.SignURL(ctx, path, expires)
}
