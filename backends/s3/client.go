package s3

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// check refuses settings that cannot work, before anything is tried.
func check(set settings.S3, lim limits) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%s: dfsamazons3.ini: %s", set.Name, fmt.Sprintf(format, args...))
	}
	switch endpoint, err := url.Parse(set.Endpoint); {
	case set.Bucket == "":
		return wrong("Bucket is not set")
	case set.AccessKeyID != "" && set.SecretAccessKey == "":
		return wrong("AccessKeyID is set but SecretAccessKey is not: set both, or neither for the default credential chain")
	case set.AccessKeyID == "" && set.SecretAccessKey != "":
		return wrong("SecretAccessKey is set but AccessKeyID is not: set both, or neither for the default credential chain")
	case set.Endpoint != "" && (err != nil || endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https"):
		return wrong("Endpoint=%s is not an http or https URL", set.Endpoint)
	case set.PartSize < lim.minPart || set.PartSize > lim.maxPart:
		return wrong("PartSize=%d is not between %d and %d bytes", set.PartSize, lim.minPart, lim.maxPart)
	case set.Concurrency < 1:
		return wrong("Concurrency=%d is less than 1", set.Concurrency)
	}
	return nil
}

// newClient returns the SDK's client and the transport below it, which is ours
// to close.
func newClient(ctx context.Context, set settings.S3, o options) (*s3.Client, *http.Transport, error) {
	// A buildable client, as a CA bundle named by the environment
	// (AWS_CA_BUNDLE) can be added to no other kind.
	load := []func(*config.LoadOptions) error{config.WithHTTPClient(awshttp.NewBuildableClient())}
	if set.Region != "" {
		load = append(load, config.WithRegion(set.Region))
	}
	if set.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(set.AccessKeyID, set.SecretAccessKey.Reveal(), "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: AWS configuration: %w", set.Name, err)
	}
	transport := awshttp.NewBuildableClient().GetTransport()
	if buildable, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		transport = buildable.GetTransport()
	}
	transport.MaxIdleConns = 256
	transport.MaxIdleConnsPerHost = 64
	httpClient := &http.Client{
		Transport: backends.NoticeThrottling(backends.OwnTimeouts(transport)),
		// The SDK signs for one host: a redirect is an answer, not a way.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if o.wrap != nil {
		httpClient.Transport = backends.NoticeThrottling(backends.OwnTimeouts(o.wrap(transport)))
	}
	return s3.NewFromConfig(cfg, func(c *s3.Options) { configure(c, set, o.limits, httpClient) }), transport, nil
}

func configure(c *s3.Options, set settings.S3, lim limits, httpClient *http.Client) {
	c.HTTPClient = httpClient
	c.UsePathStyle = set.UsePathStyleEndpoint
	if set.Endpoint != "" {
		c.BaseEndpoint = aws.String(set.Endpoint)
	}
	c.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
		r.MaxAttempts = lim.attempts
		r.MaxBackoff = lim.maxBackoff
	})
	// Uploads carry the CRC32 this package computes. A download is asked for
	// its checksum where that can be trusted (see get): some services answer a
	// range with the checksum of the whole.
	c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	c.DisableLogOutputChecksumValidationSkipped = true
}
