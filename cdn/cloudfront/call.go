package cloudfront

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront/types"

	"example.com/ezdfs/cdn/internal/httpcall"
	"example.com/ezdfs/settings"
)

// withDefaults fills in what settings made in code leave empty.
func withDefaults(cfg settings.CloudFront) settings.CloudFront {
	cfg.Region = cmp.Or(cfg.Region, "us-east-1")
	cfg.PathsInProgress = cmp.Or(cfg.PathsInProgress, 3000)
	cfg.WildcardsInProgress = cmp.Or(cfg.WildcardsInProgress, 15)
	cfg.Timeout = cmp.Or(cfg.Timeout, 30*time.Second)
	return cfg
}

func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	if _, err := httpcall.Base(endpoint); err != nil {
		return fmt.Errorf("cdn.ini: Endpoint=%s %w", endpoint, err)
	}
	return nil
}

// newClient returns the SDK's client and the HTTP client below it, which is
// ours to close. It makes each call once: trying again is the ledger's business.
func newClient(ctx context.Context, cfg settings.CloudFront, transport http.RoundTripper) (*cloudfront.Client, *http.Client, error) {
	// A buildable client, as a CA bundle named by the environment
	// (AWS_CA_BUNDLE) can be added to no other kind.
	load := []func(*config.LoadOptions) error{config.WithHTTPClient(awshttp.NewBuildableClient()), config.WithRegion(cfg.Region)}
	if cfg.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey.Reveal(), "")))
	}
	loaded, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, nil, err
	}
	if buildable, ok := loaded.HTTPClient.(*awshttp.BuildableClient); ok && transport == nil {
		transport = buildable.GetTransport()
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return cloudfront.NewFromConfig(loaded, func(o *cloudfront.Options) {
		o.HTTPClient = client
		o.Retryer = aws.NopRetryer{}
		if cfg.Endpoint != "" {
			o.BaseEndpoint = aws.String(cfg.Endpoint)
		}
	}), client, nil
}

// invalidate makes one call (API reference, "CreateInvalidation").
func (t *Target) invalidate(ctx context.Context, ids, objects []string) error {
	slices.Sort(objects)
	call, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	out, err := t.client.CreateInvalidation(call, &cloudfront.CreateInvalidationInput{
		DistributionId: aws.String(t.cfg.DistributionID),
		InvalidationBatch: &types.InvalidationBatch{
			CallerReference: aws.String(reference(ids, objects)),
			Paths:           &types.Paths{Quantity: aws.Int32(int32(len(objects))), Items: objects},
		},
	})
	if err != nil {
		return t.classify(call, err)
	}
	if out.Invalidation == nil || aws.ToString(out.Invalidation.Id) == "" {
		return t.classify(call, errors.New("the answer names no invalidation: is Endpoint right?"))
	}
	return nil
}

// reference is the caller reference of an invalidation: the same for the same
// items, in any order, as long as they stand for the same paths. CloudFront
// refuses one that it knows with other paths.
func reference(ids, objects []string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q", slices.Sorted(slices.Values(ids)), objects)
	return "ezdfs-" + hex.EncodeToString(h.Sum(nil)[:20])
}
