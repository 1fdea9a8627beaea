package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/gcs"
	"example.com/ezdfs/backends/nfs"
	"example.com/ezdfs/backends/s3"
	"example.com/ezdfs/dispatcher"
	"example.com/ezdfs/settings"
)

// OpenStores opens every backend that the settings route to and returns the
// dispatcher over them, which closes them. When some cannot be opened the
// error names each.
func OpenStores(ctx context.Context, s settings.Settings, logger *slog.Logger) (*dispatcher.Dispatcher, error) {
	return openStores(ctx, s, logger, nil, false)
}

func openStores(ctx context.Context, s settings.Settings, logger *slog.Logger, wrap func(backends.Backend) backends.Backend, late bool) (*dispatcher.Dispatcher, error) {
	router, fallback, err := NewRouter(s)
	if err != nil {
		return nil, err
	}
	stores := make(map[string]backends.Backend)
	var errs []error
	for _, name := range BackendNames(s) {
		b, err := openBackend(ctx, s, name, logger, late)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if wrap != nil {
			b = wrap(b)
		}
		stores[name] = b
	}
	if len(errs) == 0 {
		d, err := dispatcher.New(router, fallback, stores, dispatcher.WithMigrations(migrations(s)...), dispatcher.WithLogger(logger))
		if err == nil {
			return d, nil
		}
		errs = append(errs, err)
	}
	for _, b := range stores {
		b.Close()
	}
	return nil, errors.Join(errs...)
}

// NewRouter returns the rules of the settings and the name of the backend that
// takes the paths no rule matches. It opens nothing.
func NewRouter(s settings.Settings) (router *dispatcher.Router, fallback string, err error) {
	fallback, rules, contains := s.Routing()
	matching := dispatcher.Prefix
	if contains {
		matching = dispatcher.Contains
	}
	router, err = dispatcher.NewRouter(routerRules(rules), matching)
	return router, fallback, err
}

// OpenBackend opens one of BackendNames by itself; its kind is what stands
// before the colon. The caller closes it.
func OpenBackend(ctx context.Context, s settings.Settings, name string, logger *slog.Logger) (backends.Backend, error) {
	return openBackend(ctx, s, name, logger, false)
}

func openBackend(ctx context.Context, s settings.Settings, name string, logger *slog.Logger, late bool) (backends.Backend, error) {
	kind, _, _ := strings.Cut(name, ":")
	switch kind {
	case "nfs":
		if conf, ok := s.NFS[name]; ok {
			var options []nfs.Option
			if late {
				options = append(options, nfs.Late())
			}
			return nfs.New(conf, options...)
		}
	case "s3":
		if conf, ok := s.S3[name]; ok {
			return s3.New(ctx, conf, s3.WithLogger(logger))
		}
	case "gcs":
		if conf, ok := s.GCS[name]; ok {
			return gcs.New(ctx, conf)
		}
	default:
		return nil, fmt.Errorf("unknown backend %q: use nfs, s3 or gcs, or a named instance such as s3:media", name)
	}
	return nil, fmt.Errorf("backend %q has no settings: `dfsctl config check` says which group is missing", name)
}

// BackendNames returns the names of all backends that the settings route to, or
// let paths migrate from, once each, in order.
func BackendNames(s settings.Settings) []string {
	fallback, rules, _ := s.Routing()
	names := []string{fallback}
	for _, rule := range slices.Concat(rules, s.Migrations()) {
		names = append(names, rule.Backend)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func routerRules(rules []settings.Rule) []dispatcher.Rule {
	routed := make([]dispatcher.Rule, len(rules))
	for i, rule := range rules {
		routed[i] = dispatcher.Rule{Key: rule.Prefix, Backend: rule.Backend}
	}
	return routed
}

func migrations(s settings.Settings) (list []dispatcher.Migration) {
	for _, rule := range s.Migrations() {
		list = append(list, dispatcher.Migration{Prefix: rule.Prefix, From: rule.Backend})
	}
	return list
}
