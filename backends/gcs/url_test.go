package gcs

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

func TestPublicURL(t *testing.T) {
	for want, cfg := range map[string]settings.GCS{
		"https://storage.googleapis.com/media/a%20b%2Bc/%23.png": {CredentialsFile: keyFile(t, "http://127.0.0.1:1")},
		"http://127.0.0.1:4443/media/p/a%20b%2Bc/%23.png":        {Endpoint: "http://127.0.0.1:4443/", Prefix: "p/"},
		"https://cdn.example/x/p/a%20b%2Bc/%23.png":              {Endpoint: "http://127.0.0.1:1", Prefix: "p/", PublicURL: "https://cdn.example/x/"},
	} {
		cfg.Bucket = "media"
		if got := newBackend(t, cfg).PublicURL("a b+c/#.png"); got != want {
			t.Errorf("PublicURL = %s, want %s", got, want)
		}
	}
}

func TestPublicURLIsServed(t *testing.T) {
	s := startService(t)
	s.open = true
	b := newBackend(t, settings.GCS{Bucket: "media", Endpoint: s.URL, Prefix: "p/"})
	put(t, b, "dir/a b+c#?.txt", []byte("body"), backends.Attributes{Size: 4})
	resp, err := http.Get(b.PublicURL("dir/a b+c#?.txt"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusOK || resp.ContentLength != 4 {
		t.Errorf("GET answers %s with %d bytes", resp.Status, resp.ContentLength)
	}
}

func TestSignURL(t *testing.T) {
	b := newBackend(t, settings.GCS{Bucket: "media", Prefix: "p/", CredentialsFile: keyFile(t, "http://127.0.0.1:1")})
	address, err := b.SignURL(t.Context(), "a b.png", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Scheme != "https" || u.Host != "storage.googleapis.com" || u.EscapedPath() != "/media/p/a%20b.png" ||
		q.Get("X-Goog-Algorithm") != "GOOG4-RSA-SHA256" || q.Get("X-Goog-Expires") != "3599" && q.Get("X-Goog-Expires") != "3600" ||
		len(q.Get("X-Goog-Signature")) != 512 || q.Get("X-Goog-Credential") == "" {
		t.Errorf("SignURL = %s", address)
	}
	for _, expires := range []time.Duration{-1, 0, maxSigned + 1} {
		if _, err := b.SignURL(t.Context(), "a", expires); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("SignURL for %v: %v, want fs.ErrInvalid", expires, err)
		}
	}
	anonymous := newBackend(t, settings.GCS{Bucket: "media", Endpoint: "http://127.0.0.1:1"})
	if _, err := anonymous.SignURL(t.Context(), "a", time.Hour); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("SignURL without credentials: %v, want fs.ErrPermission", err)
	}
}
