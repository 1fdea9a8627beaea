package quickstart

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/dispatcher"
)

// check reads every file back as a program would.
func check(ctx context.Context, c *cluster.Cluster, files []stored) (*Report, error) {
	report := new(Report)
	for _, file := range files {
		row, err := c.Stat(ctx, file.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err != nil || !row.Live() || row.Size != file.Size || row.MTime != file.MTime {
			report.Changed = append(report.Changed, file.Path)
			continue
		}
		route := c.Stores().Route(file.Path)
		checked := File{Path: file.Path, Backend: route.Backend.Name(),
			Size: row.Size, DataType: row.DataType, Scope: row.Scope}
		if route.Rule != dispatcher.DefaultRule {
			checked.Rule = &route.Key
		}
		if err := readBack(ctx, c, file); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			checked.Error = err.Error()
		} else {
			checked.Verified = true
			report.Verified++
		}
		report.Files = append(report.Files, checked)
	}
	report.Total = len(report.Files)
	return report, nil
}

// readBack compares what the cluster has with what was stored.
func readBack(ctx context.Context, c *cluster.Cluster, want stored) error {
	f, err := c.Open(ctx, want.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, f)
	switch got := hex.EncodeToString(hash.Sum(nil)); {
	case err != nil:
		return err
	case n != want.Size:
		return fmt.Errorf("%d bytes were stored, %d read back", want.Size, n)
	case got != want.SHA256:
		return fmt.Errorf("other bytes were read back than stored: SHA-256 %s, not %s", got, want.SHA256)
	}
	return nil
}
