package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/akamai"
	"example.com/ezdfs/cdn/cloudflare"
	"example.com/ezdfs/cdn/cloudfront"
	"example.com/ezdfs/cdn/fastly"
	"example.com/ezdfs/cdn/googlecdn"
	"example.com/ezdfs/cdn/replicate"
	"example.com/ezdfs/cdn/varnish"
	"example.com/ezdfs/cdn/webhook"
	"example.com/ezdfs/settings"
)

// Source is what replicas are made equal to.
type Source struct {
	// Rows is the database. Without one a replica can be tested, but nothing is
	// delivered to it.
	Rows replicate.Rows
	// Bodies are the cluster's stores. Without them a replica opens them for
	// itself when it first needs them.
	Bodies replicate.Bodies
}

// Targets makes every target of cdn.ini, and reaches none. What is wrong with
// any is joined in the error; the others are returned all the same. The caller
// closes them.
func Targets(ctx context.Context, s settings.Settings, source Source, logger *slog.Logger) (list []cdn.Target, err error) {
	var errs []error
	for _, name := range s.TargetNames() {
		t, err := NewTarget(ctx, s, name, source, logger)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, t)
	}
	return list, errors.Join(errs...)
}

// NewTarget makes one target of cdn.ini, "fastly:main". Errors say which
// setting is wrong. The caller closes it.
func NewTarget(ctx context.Context, s settings.Settings, name string, source Source, logger *slog.Logger) (cdn.Target, error) {
	if err := s.TargetError(name); err != nil {
		return nil, err
	}
	all := s.Targets
	switch kind, _, _ := strings.Cut(name, ":"); kind {
	case "varnish":
		return made(varnish.New(all.Varnish[name]))
	case "fastly":
		return made(fastly.New(all.Fastly[name]))
	case "cloudflare":
		return made(cloudflare.New(all.Cloudflare[name]))
	case "cloudfront":
		return made(cloudfront.New(ctx, all.CloudFront[name]))
	case "akamai":
		return made(akamai.New(all.Akamai[name]))
	case "googlecdn":
		return made(googlecdn.New(all.GoogleCDN[name]))
	case "webhook":
		host, _ := os.Hostname()
		return made(webhook.New(all.Webhook[name], webhook.WithHost(host)))
	case "replicate":
		return made(newReplica(s, all.Replicate[name], source, logger))
	}
	return nil, fmt.Errorf("there is no target %q", name)
}

// made keeps a target that could not be made from looking like one.
func made[T cdn.Target](t T, err error) (cdn.Target, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}
