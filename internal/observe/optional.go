package observe

import (
	"context"
	"time"

	"example.com/ezdfs/backends"
)

// optional notes the operations that only some backends have. It is used for
// those alone that its backend has.
type optional struct{ b *backend }

var (
	_ backends.Copier      = optional{}
	_ backends.Renamer     = optional{}
	_ backends.PublicURLer = optional{}
	_ backends.URLSigner   = optional{}
)

func (o optional) StageCopy(ctx context.Context, src, dst string) (st backends.Staged, info backends.Info, err error) {
	defer o.b.timed(ctx, "copy", &err)()
	st, info, err = o.b.Backend.(backends.Copier).StageCopy(ctx, src, dst)
	return o.b.staged(st), info, err
}

func (o optional) Rename(ctx context.Context, src, dst string) (err error) {
	defer o.b.timed(ctx, "rename", &err)()
	return o.b.Backend.(backends.Renamer).Rename(ctx, src, dst)
}

func (o optional) PublicURL(path string) string {
	return o.b.Backend.(backends.PublicURLer).PublicURL(path)
}

func (o optional) SignURL(ctx context.Context, path string, expires time.Duration) (url string, err error) {
	defer o.b.timed(ctx, "sign", &err)()
	return o.b.Backend.(backends.URLSigner).SignURL(ctx, path, expires)
}

// withOptional returns b with the optional interfaces that what it watches
// has: a type for each choice of them, all comparable.
func withOptional(b *backend) backends.Backend {
	type (
		base    = backends.Backend
		copies  = backends.Copier
		renames = backends.Renamer
		public  = backends.PublicURLer
		signs   = backends.URLSigner
	)
	var has [4]bool
	_, has[0] = b.Backend.(copies)
	_, has[1] = b.Backend.(renames)
	_, has[2] = b.Backend.(public)
	_, has[3] = b.Backend.(signs)
	const y, n = true, false
	o := optional{b}
	switch has {
	case [4]bool{y, n, n, n}:
		return struct {
			base
			copies
		}{b, o}
	case [4]bool{n, y, n, n}:
		return struct {
			base
			renames
		}{b, o}
	case [4]bool{y, y, n, n}:
		return struct {
			base
			copies
			renames
		}{b, o, o}
	case [4]bool{n, n, y, n}:
		return struct {
			base
			public
		}{b, o}
	case [4]bool{y, n, y, n}:
		return struct {
			base
			copies
			public
		}{b, o, o}
	case [4]bool{n, y, y, n}:
		return struct {
			base
			renames
			public
		}{b, o, o}
	case [4]bool{y, y, y, n}:
		return struct {
			base
			copies
			renames
			public
		}{b, o, o, o}
	case [4]bool{n, n, n, y}:
		return struct {
			base
			signs
		}{b, o}
	case [4]bool{y, n, n, y}:
		return struct {
			base
			copies
			signs
		}{b, o, o}
	case [4]bool{n, y, n, y}:
		return struct {
			base
			renames
			signs
		}{b, o, o}
	case [4]bool{y, y, n, y}:
		return struct {
			base
			copies
			renames
			signs
		}{b, o, o, o}
	case [4]bool{n, n, y, y}:
		return struct {
			base
			public
			signs
		}{b, o, o}
	case [4]bool{y, n, y, y}:
		return struct {
			base
			copies
			public
			signs
		}{b, o, o, o}
	case [4]bool{n, y, y, y}:
		return struct {
			base
			renames
			public
			signs
		}{b, o, o, o}
	case [4]bool{y, y, y, y}:
		return struct {
			base
			copies
			renames
			public
			signs
		}{b, o, o, o, o}
	}
	return b
}
