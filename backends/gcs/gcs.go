// Package gcs keeps bodies as objects of one Google Cloud Storage bucket, the
// object name being the settings' Prefix followed by the path.
//
//	b, err := gcs.New(ctx, settings.GCS{Name: "gcs", Bucket: "media", CacheControl: "max-age=86400"})
//	if err != nil {
//		return err
//	}
//	defer b.Close()
//
// It is not for buckets with customer-supplied encryption keys, and it does
// not create buckets.
//
// # Staging
//
// A body is staged in an upload that is not finished: up to the size of one
// chunk (8 MiB, see [WithChunkSize]) it waits in memory and Publish sends it in
// one request; a longer one is streamed into a resumable upload whose last
// chunk Publish sends. An unfinished upload is no object: no listing shows it,
// nothing is billed for it, and when its process dies it ends by itself (after
// a week at the latest). A temporary object that is copied to its name would
// be kept by soft delete, held by retention policies and charged for early
// deletion in every storage class but STANDARD.
//
// # Permissions
//
// The role roles/storage.objectAdmin on the bucket is enough. No permission on
// the bucket itself is needed: whether it exists is asked by listing one
// object.
//
// # Repeated requests
//
// Every request is repeated after a failure that may pass (408, 429, 5xx, a
// broken connection), a few times and never beyond its context. That is safe
// without preconditions: an upload or a copy that happened twice leaves the
// same body, a delete that happened twice the same absence, and the writers of
// one path exclude each other by its row.
//
// # Reads
//
// Bodies are read by the XML API because only its answer carries the metadata,
// and so the modification time, along with the bytes; everything else goes by
// the JSON API. An emulator must serve both under Endpoint (fake-gcs-server:
// option -public-host).
package gcs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// Backend is one bucket. It is safe for concurrent use.
type Backend struct {
	cfg    settings.GCS
	client *client
	bucket *storage.BucketHandle
	opts   options
}

var (
	_ backends.Backend     = (*Backend)(nil)
	_ backends.Copier      = (*Backend)(nil)
	_ backends.PublicURLer = (*Backend)(nil)
	_ backends.URLSigner   = (*Backend)(nil)
)

// New returns the backend of the bucket that cfg names. It reads the
// credentials but does not reach the store; Ping does. An error says which
// setting to change. The caller closes the backend.
func New(ctx context.Context, cfg settings.GCS, opts ...Option) (*Backend, error) {
	if cfg.Name == "" {
		cfg.Name = "gcs"
	}
	cfg.Trash = strings.Trim(cfg.Trash, "/")
	b := &Backend{cfg: cfg, opts: newOptions(opts)}
	if cfg.Bucket == "" {
		return nil, b.configError(errors.New("setting Bucket is empty"))
	}
	client, err := newClient(ctx, cfg, b.opts)
	if err != nil {
		return nil, b.configError(err)
	}
	b.client = client
	b.bucket = client.Bucket(cfg.Bucket)
	if cfg.ProjectID != "" {
		b.bucket = b.bucket.UserProject(cfg.ProjectID)
	}
	return b, nil
}

// configError is an error of New: the store cannot be used as configured.
func (b *Backend) configError(err error) error {
	return &backends.Error{Backend: b.cfg.Name, Op: "configure", Kind: backends.ErrUnavailable, Err: err}
}

// Name is the instance's name in the settings, "gcs" by default.
func (b *Backend) Name() string { return b.cfg.Name }

// Close closes the connections to the store.
func (b *Backend) Close() error { return b.client.Close() }

// Ping lists one object, which needs the bucket, the credentials and the
// permission storage.objects.list.
func (b *Backend) Ping(ctx context.Context) error {
	if _, err := b.first(ctx, b.cfg.Prefix); err != nil {
		return b.unavailable(ctx, "ping", "", err)
	}
	return nil
}

// first returns the first object at or after a name that begins with it, or
// nil. Unlike a request for one object it tells a missing object from a
// missing bucket.
func (b *Backend) first(ctx context.Context, name string) (*storage.ObjectAttrs, error) {
	it := b.bucket.Objects(ctx, &storage.Query{Prefix: name, Projection: storage.ProjectionNoACL})
	it.PageInfo().MaxSize = 1
	attrs, err := it.Next()
	if errors.Is(err, iterator.Done) {
		return nil, nil
	}
	return attrs, err
}

// maxName is the length of an object name in bytes that the service allows.
const maxName = 1024

// check refuses the paths that no backend takes and those that make a name the
// service does not allow, before it is asked.
func (b *Backend) check(op, path string) error {
	if err := backends.CheckVisible(b.cfg.Name, op, path, b.cfg.Trash); err != nil {
		return err
	}
	var err error
	switch name := b.objectName(path); {
	case len(name) > maxName:
		err = fmt.Errorf("an object name has at most %d bytes, this one with its prefix %d", maxName, len(name))
	case strings.ContainsAny(name, "\r\n"):
		err = errors.New("an object name cannot contain line breaks")
	case strings.HasPrefix(name, ".well-known/acme-challenge/"):
		err = errors.New("object names cannot begin with .well-known/acme-challenge/")
	default:
		return nil
	}
	return &backends.Error{Backend: b.cfg.Name, Op: op, Path: path, Kind: fs.ErrInvalid, Err: err}
}

func (b *Backend) objectName(path string) string { return b.cfg.Prefix + path }

// object is the handle of the body at path. Its reads give the stored bytes:
// without ReadCompressed the service would decompress an object whose
// Content-Encoding is gzip, and ignore ranges of it.
func (b *Backend) object(path string) *storage.ObjectHandle {
	return b.bucket.Object(b.objectName(path)).ReadCompressed(true)
}
