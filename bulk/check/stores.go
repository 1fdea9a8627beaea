package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/settings"
)

// Store is a backend to be checked.
type Store struct {
	Name    string
	Backend backends.Backend // nil if it could not be opened
	Err     error            // why not
	// Same is the name of another backend that is the very same tree or bucket,
	// which is looked at in its stead.
	Same string
	// Skip are beginnings of paths that are not this backend's: another one
	// keeps its bodies there, inside the same tree or bucket.
	Skip []string
}

// Stores returns all backends that the settings describe, those included that
// no rule names: bodies may lie there from before. Those that the cluster has
// open are its own; the others are opened, and closed by the function that is
// returned.
func Stores(ctx context.Context, c *cluster.Cluster, s settings.Settings, logger *slog.Logger) (list []Store, closeAll func() error) {
	open := make(map[string]backends.Backend)
	for _, b := range c.Stores().Backends() {
		open[b.Name()] = b
	}
	var opened []backends.Backend
	places := make(map[string]string)
	names := slices.Concat(slices.Collect(maps.Keys(open)), slices.Collect(maps.Keys(s.NFS)),
		slices.Collect(maps.Keys(s.S3)), slices.Collect(maps.Keys(s.GCS)))
	// Of several names of one place that goes first whose setting has a trash:
	// under it the trash is hidden, and what is deleted goes there.
	slices.Sort(names)
	names = slices.Compact(names)
	slices.SortStableFunc(names, func(a, b string) int {
		return min(len(trashOf(s, b)), 1) - min(len(trashOf(s, a)), 1)
	})
	for _, name := range names {
		store := Store{Name: name, Backend: open[name], Skip: nested(s, name)}
		if place := placeOf(s, name); place != "" && places[place] == "" {
			places[place] = name
		} else if place != "" {
			store.Same = places[place]
		}
		if store.Backend == nil && store.Same == "" {
			if store.Backend, store.Err = cluster.OpenBackend(ctx, s, name, logger); store.Err == nil {
				opened = append(opened, store.Backend)
			} else {
				store.Backend = nil
			}
		}
		list = append(list, store)
	}
	return list, func() error {
		var errs []error
		for _, b := range opened {
			errs = append(errs, b.Close())
		}
		return errors.Join(errs...)
	}
}

// placeOf tells trees and buckets apart: two backends of one place are one.
func placeOf(s settings.Settings, name string) string {
	if tree, ok := s.NFS[name]; ok {
		return "tree " + directory(tree.MountPointPath)
	}
	if bucket, ok := s.S3[name]; ok {
		return fmt.Sprintf("s3 %q %q %q", bucket.Endpoint, bucket.Bucket, bucket.Prefix)
	}
	if bucket, ok := s.GCS[name]; ok {
		return fmt.Sprintf("gcs %q %q %q", bucket.Endpoint, bucket.Bucket, bucket.Prefix)
	}
	return ""
}

// trashOf returns with what the paths in the trash of a backend begin, "" where
// it has none.
func trashOf(s settings.Settings, name string) string {
	trash := strings.Trim(cmp.Or(s.NFS[name].Trash, s.S3[name].Trash, s.GCS[name].Trash), "/")
	if trash == "" {
		return ""
	}
	return trash + "/"
}

// nested returns the beginnings of the paths of a backend at which others keep
// their own, or their trash.
func nested(s settings.Settings, name string) (skip []string) {
	inside := func(outer, inner, trash string) {
		for _, place := range []string{inner, inner + trash} {
			if rest, ok := strings.CutPrefix(place, outer); ok && rest != "" {
				skip = append(skip, rest)
			}
		}
	}
	if tree, ok := s.NFS[name]; ok {
		for otherName, other := range s.NFS {
			inside(directory(tree.MountPointPath), directory(other.MountPointPath), trashOf(s, otherName))
		}
	}
	if bucket, ok := s.S3[name]; ok {
		for otherName, other := range s.S3 {
			if other.Bucket == bucket.Bucket && other.Endpoint == bucket.Endpoint {
				inside(bucket.Prefix, other.Prefix, trashOf(s, otherName))
			}
		}
	}
	if bucket, ok := s.GCS[name]; ok {
		for otherName, other := range s.GCS {
			if other.Bucket == bucket.Bucket && other.Endpoint == bucket.Endpoint {
				inside(bucket.Prefix, other.Prefix, trashOf(s, otherName))
			}
		}
	}
	slices.Sort(skip)
	return slices.Compact(skip)
}

// directory is where a mount really lies, with a slash behind.
func directory(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return strings.TrimSuffix(path, "/") + "/"
}
