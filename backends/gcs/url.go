package gcs

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/storage"

	"example.com/ezdfs/backends"
)

// PublicURL is the object's own URL, or its name under the setting PublicURL.
func (b *Backend) PublicURL(path string) string {
	base := b.cfg.PublicURL
	if base == "" {
		base = b.client.base.JoinPath(b.cfg.Bucket).String()
	}
	return strings.TrimSuffix(base, "/") + "/" + backends.EscapePath(b.objectName(path))
}

// maxSigned is for how long the service accepts a signed URL at most.
const maxSigned = 7 * 24 * time.Hour

// SignURL returns a V4 signed URL, for up to seven days. It is signed with the
// key in CredentialsFile, without asking anybody; with default credentials that
// have no key, by the IAM service, for which the service account needs the role
// roles/iam.serviceAccountTokenCreator on itself.
func (b *Backend) SignURL(ctx context.Context, path string, expires time.Duration) (string, error) {
	if err := b.check("sign", path); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", b.wrap(ctx, "sign", path, err)
	}
	e := &backends.Error{Backend: b.cfg.Name, Op: "sign", Path: path}
	if expires <= 0 || expires > maxSigned {
		e.Kind, e.Err = fs.ErrInvalid, errors.New("a signed URL is valid for more than nothing and at most seven days")
		return "", e
	}
	if b.client.anonymous {
		e.Kind, e.Err = fs.ErrPermission, errors.New("signing needs a service account: set CredentialsFile")
		return "", e
	}
	opts := &storage.SignedURLOptions{
		Scheme:   storage.SigningSchemeV4,
		Style:    storage.PathStyle(),
		Method:   http.MethodGet,
		Expires:  time.Now().Add(expires),
		Hostname: b.client.base.Host,
		Insecure: b.client.base.Scheme == "http",
	}
	if b.client.signer != nil {
		opts.GoogleAccessID, opts.PrivateKey = b.client.signer.Email, []byte(b.client.signer.Key)
	}
	address, err := b.bucket.SignedURL(b.objectName(path), opts)
	if err != nil {
		e.Kind, e.Err = fs.ErrPermission, err
		return "", e
	}
	return address, nil
}
