package delivery_test

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/delivery"
	"example.com/ezdfs/changes/feed"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// A program that brings changes to the targets of cdn.ini runs until it is
// told to stop.
func ExamplePipeline_Run() {
	deliver := func(ctx context.Context, s settings.Settings, store *metadata.Store, targets []cdn.Target, logger *slog.Logger) error {
		rules, options, err := delivery.FromSettings(s.CDN)
		if err != nil {
			return err
		}
		options.Logger, options.Registerer = logger, prometheus.NewRegistry()
		p, err := delivery.New(store, targets, rules, options)
		if err != nil {
			return err
		}
		source, err := feed.Open(ctx, s, store, logger)
		if err != nil {
			return err
		}
		defer source.Close()
		return p.Run(ctx, source)
	}
	_ = deliver
}

// Whoever changed files behind the cluster's back has them delivered by hand.
func ExamplePipeline_Enqueue() {
	purge := func(ctx context.Context, p *delivery.Pipeline) error {
		_, err := p.Enqueue(ctx, "", cdn.Invalidate, cdn.Prefix, "var/site/storage/images/")
		return err
	}
	_ = purge
}
