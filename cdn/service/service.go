package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/delivery"
	"example.com/ezdfs/cdn/replicate"
	"example.com/ezdfs/changes/feed"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// Options are what a service works on.
type Options struct {
	// Store is the database of the cluster; it stays the caller's to close.
	Store *metadata.Store
	// Bodies are the stores of the cluster, for replicas; nil lets those open
	// what they need.
	Bodies     replicate.Bodies
	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // of the metrics; nil for none
}

// Service is what delivers the changes of a site. Create it with New.
type Service struct {
	*delivery.Pipeline
	rules    *delivery.Rules
	targets  []cdn.Target
	settings settings.Settings
	options  Options
}

// Configured reports whether cdn.ini has rules, so that there is something to
// do.
func Configured(s settings.Settings) bool {
	return len(s.CDN.Rules) > 0 || s.CDN.DefaultTargets != ""
}

// underWay is how long an answer of a gateway may be under way to a cache that
// is told to forget meanwhile.
const underWay = 200 * time.Millisecond

// New makes the targets and rules of the settings. It reaches nothing; what it
// fails with is wrong configuration.
func New(ctx context.Context, s settings.Settings, o Options) (*Service, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	rules, options, err := delivery.FromSettings(s.CDN)
	if err != nil {
		return nil, err
	}
	options.Logger, options.Registerer = o.Logger, o.Registerer
	options.Settle = s.Gateway.MetadataTTL + underWay
	targets, err := Targets(ctx, s, Source{o.Store, o.Bodies}, o.Logger)
	service := &Service{rules: rules, targets: targets, settings: s, options: o}
	if err == nil {
		service.Pipeline, err = delivery.New(o.Store, targets, rules, options)
	}
	if err != nil {
		return nil, errors.Join(err, service.Close())
	}
	return service, nil
}

// Close closes the targets. It is called once Run has returned.
func (s *Service) Close() error {
	var errs []error
	for _, t := range s.targets {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

// Rules are those of cdn.ini.
func (s *Service) Rules() *delivery.Rules { return s.rules }

// Run follows the change feed and delivers until ctx is done, and returns nil
// then. It fails at once where there is no change feed to be had or the tables
// are missing; outages that come later it waits for.
func (s *Service) Run(ctx context.Context) (err error) {
	source, err := feed.Open(ctx, s.settings, s.options.Store, s.options.Logger)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	return s.Pipeline.Run(ctx, source)
}

// again is the time between two attempts to run.
const again = 10 * time.Second

// Keep runs until ctx is done, whatever happens: where Run fails it is logged
// and tried again. It is for programs that have something else to do too.
func (s *Service) Keep(ctx context.Context) {
	for {
		err := s.Run(ctx)
		if ctx.Err() != nil {
			if err != nil {
				s.options.Logger.WarnContext(ctx, "the deliveries to caches and CDNs did not end well", "error", err)
			}
			return
		}
		s.options.Logger.ErrorContext(ctx, "changes are not delivered to caches and CDNs; trying again", "error", err, "after", again)
		select {
		case <-ctx.Done():
			return
		case <-time.After(again):
		}
	}
}
