package s3

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// PublicURL is the address of the object at path: below the settings'
// PublicURL, which stands for the root of the bucket, or else the bucket's own
// URL.
func (b *Backend) PublicURL(path string) string {
	return b.publicURL + backends.EscapePath(*b.key(path))
}

// longestLoan is how long a signature may be valid.
const longestLoan = 7 * 24 * time.Hour

// SignURL returns a presigned GET, valid for at most seven days.
func (b *Backend) SignURL(ctx context.Context, path string, expires time.Duration) (string, error) {
	if err := b.checkPath("sign", path); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", b.classify("sign", path, err)
	}
	if expires < time.Second || expires > longestLoan {
		return "", &backends.Error{Backend: b.set.Name, Op: "sign", Path: path, Kind: fs.ErrInvalid,
			Err: fmt.Errorf("%v is not between a second and %v", expires, longestLoan)}
	}
	signed, err := s3.NewPresignClient(b.client).PresignGetObject(ctx,
		&s3.GetObjectInput{Bucket: b.bucket(), Key: b.key(path)}, s3.WithPresignExpires(expires))
	if err != nil {
		return "", b.fail(ctx, "sign", path, err)
	}
	return signed.URL, nil
}

// publicBase returns the URL of the bucket's root, with a slash at its end.
func publicBase(ctx context.Context, set settings.S3, region string) (string, error) {
	if set.PublicURL != "" {
		return strings.TrimRight(set.PublicURL, "/") + "/", nil
	}
	in := s3.EndpointParameters{Bucket: aws.String(set.Bucket), Region: aws.String(region),
		ForcePathStyle: aws.Bool(set.UsePathStyleEndpoint)}
	if set.Endpoint != "" {
		in.Endpoint = aws.String(set.Endpoint)
	}
	endpoint, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, in)
	if err != nil {
		return "", fmt.Errorf("%s: dfsamazons3.ini: Bucket=%s Region=%s: %w", set.Name, set.Bucket, region, err)
	}
	return strings.TrimRight(endpoint.URI.String(), "/") + "/", nil
}
