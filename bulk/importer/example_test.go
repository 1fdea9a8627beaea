package importer_test

import (
	"context"
	"fmt"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/importer"
	"example.com/ezdfs/cluster"
)

// restore makes the rows of all bodies of a cluster whose tables were lost.
func restore(ctx context.Context, c *cluster.Cluster) error {
	progress := new(bulk.Progress)
	counts := importer.NewCounts(progress)
	for _, backend := range c.Stores().Backends() {
		if err := importer.Bodies(ctx, c, backend, importer.BodiesOptions{Counts: counts}); err != nil {
			return err
		}
	}
	fmt.Println(progress.Snapshot().Done, counts.Skipped())
	return nil
}

func ExampleBodies() {
	_ = restore // needs a cluster
}
