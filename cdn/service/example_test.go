package service_test

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ezdfs/cdn/service"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/settings"
)

// A program that has a cluster open delivers its changes, beside what else it
// does, until it is told to stop.
func ExampleService_Keep() {
	deliver := func(ctx context.Context, s settings.Settings, c *cluster.Cluster, logger *slog.Logger, registry prometheus.Registerer) error {
		if !service.Configured(s) {
			return nil
		}
		push, err := service.New(ctx, s, service.Options{Store: c.Metadata(), Bodies: c.Stores(), Logger: logger, Registerer: registry})
		if err != nil {
			return err
		}
		push.Keep(ctx)
		return push.Close()
	}
	_ = deliver
}

// A test of all targets, which need not work at the moment.
func ExampleTargets() {
	test := func(ctx context.Context, s settings.Settings) error {
		targets, err := service.Targets(ctx, s, service.Source{}, nil)
		for _, t := range targets {
			_, failed := t.Test(ctx)
			err = errors.Join(err, failed, t.Close())
		}
		return err
	}
	_ = test
}
