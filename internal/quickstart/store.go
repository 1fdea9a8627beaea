package quickstart

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// store writes the sample files where the site would have them, and stores
// them as `dfsctl clusterize` does. What an interrupted run has stored already
// is skipped.
func (s *site) store(ctx context.Context, c *cluster.Cluster) ([]stored, error) {
	var files []stored
	write := func(yield func(cluster.Item, error) bool) {
		for i, sample := range samples() {
			file, item, err := s.write(i, sample)
			files = append(files, file)
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
	progress := new(bulk.Progress)
	err := bulk.Clusterize(ctx, c, write, bulk.ClusterizeOptions{Progress: progress})
	if failures := progress.Failures(); len(failures) > 0 {
		return nil, fmt.Errorf("%w; the first: %s: %w", err, failures[0].Path, failures[0].Err)
	}
	return files, err
}

// write writes one sample file.
func (s *site) write(i int, sample sample) (stored, cluster.Item, error) {
	file := s.path(sample.path)
	body, modified := sample.body(), modTime(i)
	sum := sha256.Sum256(body)
	scope := sample.scope
	if scope == "" {
		scope = bulk.ScopeOf(metadata.Layout{StorageDir: "storage"}, sample.path)
	}
	err := os.MkdirAll(filepath.Dir(file), 0o777)
	if err == nil {
		err = os.WriteFile(file, body, 0o666)
	}
	if err == nil {
		err = os.Chtimes(file, modified, modified)
	}
	return stored{sample.path, int64(len(body)), modified.Unix(), hex.EncodeToString(sum[:])},
		cluster.Item{Path: sample.path, File: file, Options: cluster.StoreOptions{Scope: scope}}, err
}
