// Package cloudfront is a CDN target that invalidates what a distribution of
// Amazon CloudFront holds (CloudFront Developer Guide, "Invalidate files").
//
//	target, err := cloudfront.New(ctx, s.Targets.CloudFront["cloudfront:main"])
//	// ...
//	defer target.Close()
//	errs := target.Deliver(ctx, batch)
//
// A batch is one CreateInvalidation. Files are paths of it, prefixes and
// everything are wildcards, and where the distribution reads the tags that the
// gateway sends (its CacheTagConfig names the header Cache-Tag), directories,
// trunks and scopes are tags. A path covers one spelling of a URL: that in which
// the characters are encoded that CloudFront asks for, and no others. Only a
// tag covers all.
//
// An invalidation is delivered once CloudFront accepted it; it is done some
// seconds later. The caller reference is made of the items' IDs, so that the
// same batch delivered again is the same invalidation, done and charged once.
package cloudfront

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudfront"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/batch"
	"example.com/ezdfs/cdn/internal/tags"
	"example.com/ezdfs/settings"
)

// parallel is how many full batches can be in progress before CloudFront
// refuses more.
const parallel = 3

// Target invalidates what a distribution holds. Create it with New.
type Target struct {
	cfg    settings.CloudFront
	base   string // of paths, escaped, without a slash at its end
	client *cloudfront.Client
	http   *http.Client
}

var _ cdn.Target = (*Target)(nil)

// Option changes how a target works.
type Option func(*options)

type options struct{ transport http.RoundTripper }

// WithTransport makes the calls by way of another transport than the target's
// own. It sees the signatures.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

// New returns the target of a group of settings. It reaches no service. Errors
// name the setting that is wrong.
func New(ctx context.Context, cfg settings.CloudFront, opts ...Option) (*Target, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	cfg = withDefaults(cfg)
	if err := check(cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	t := &Target{cfg: cfg}
	if dir := strings.Trim(cfg.Path, "/"); dir != "" {
		t.base = "/" + escape(dir)
	}
	var err error
	if t.client, t.http, err = newClient(ctx, cfg, o.transport); err != nil {
		return nil, fmt.Errorf("%s: AWS configuration: %w", cfg.Name, err)
	}
	return t, nil
}

// Name is the instance's.
func (t *Target) Name() string { return t.cfg.Name }

// Close closes idle connections.
func (t *Target) Close() error {
	t.http.CloseIdleConnections()
	return nil
}

// Limits: some batches can be in progress at once ("Concurrent invalidation
// request maximum").
func (t *Target) Limits() cdn.Limits {
	l := cdn.Limits{
		Actions:    []cdn.Action{cdn.Invalidate},
		Extents:    []cdn.Extent{cdn.Prefix, cdn.All},
		Takes:      func(item cdn.Item) bool { _, ok := t.object(item); return ok },
		Items:      max(t.cfg.PathsInProgress/parallel, 1),
		Families:   max(t.cfg.WildcardsInProgress/parallel, 1),
		Concurrent: parallel,
	}
	if t.cfg.Tags {
		l.Extents = append(l.Extents, cdn.Trunk, cdn.Scope)
		l.Items /= 2 // a trunk has two tags
	}
	return l
}

// object returns the paths or tags of an item, false where it has none.
func (t *Target) object(item cdn.Item) ([]string, bool) {
	keys, exact := tags.Of(item)
	for i, key := range keys {
		keys[i] = "#" + key
	}
	switch {
	case item.Action != cdn.Invalidate:
	case item.Extent == cdn.All:
		return []string{t.base + "/*"}, true
	case item.Extent == cdn.Path && (t.cfg.PurgeBy != "tag" || !exact):
		return []string{t.path(item.Subject)}, true
	case exact && (t.cfg.Tags || item.Extent == cdn.Path):
		return keys, true
	case item.Extent == cdn.Prefix:
		return []string{t.path(item.Subject + "*")}, true
	}
	return nil, false
}

// Deliver invalidates a batch. More wildcards than can ever be in progress are
// left for another time.
func (t *Target) Deliver(ctx context.Context, items []cdn.Item) []error {
	errs := make([]error, len(items))
	var parts []batch.Part
	wildcards := 0
	for i, item := range items {
		objects, ok := t.object(item)
		switch {
		case !ok:
			errs[i] = t.fail(cdn.ErrRefused, fmt.Sprintf("CloudFront has no name for the %s %q", item.Extent, item.Subject))
			continue
		case slices.ContainsFunc(objects, isWildcard):
			if wildcards++; wildcards > t.cfg.WildcardsInProgress {
				errs[i] = t.throttled(fmt.Sprintf("only %d wildcards can be in progress", t.cfg.WildcardsInProgress))
				continue
			}
		}
		parts = append(parts, batch.Part{Item: i, Objects: objects})
	}
	for _, chunk := range batch.Chunks(parts, t.cfg.PathsInProgress) {
		batch.Send(errs, chunk, func(parts []batch.Part) error {
			ids := make([]string, len(parts))
			for i, p := range parts {
				ids[i] = items[p.Item].ID
			}
			return t.invalidate(ctx, ids, batch.Objects(parts))
		}, isContent)
	}
	return errs
}

// Test invalidates a path that there is not, always under the same caller
// reference: after the first time CloudFront does, and charges, nothing.
func (t *Target) Test(ctx context.Context) (string, error) {
	path := t.base + "/.ezdfs-test"
	if err := t.invalidate(ctx, []string{"test"}, []string{path}); err != nil {
		return "", err
	}
	return "CloudFront took the credentials and an invalidation of " + path, nil
}

// check refuses settings that cannot work, before anything is tried.
func check(cfg settings.CloudFront) error {
	const both = ": set both, or neither for the default credential chain"
	switch {
	case cfg.DistributionID == "":
		return errors.New("cdn.ini: DistributionID is not set")
	case cfg.AccessKeyID != "" && cfg.SecretAccessKey == "":
		return errors.New("cdn.ini: AccessKeyID is set but SecretAccessKey is not" + both)
	case cfg.AccessKeyID == "" && cfg.SecretAccessKey != "":
		return errors.New("cdn.ini: SecretAccessKey is set but AccessKeyID is not" + both)
	}
	return checkEndpoint(cfg.Endpoint)
}
