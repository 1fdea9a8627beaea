package s3

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/settings"
)

func TestSettingsThatCannotWork(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*settings.S3)
		want   string // "" for settings that can
	}{
		"as they should be":  {func(*settings.S3) {}, ""},
		"default chain":      {func(s *settings.S3) { s.AccessKeyID, s.SecretAccessKey = "", "" }, ""},
		"no bucket":          {func(s *settings.S3) { s.Bucket = "" }, "Bucket is not set"},
		"half credentials":   {func(s *settings.S3) { s.SecretAccessKey = "" }, "AccessKeyID is set but SecretAccessKey is not"},
		"other half":         {func(s *settings.S3) { s.AccessKeyID = "" }, "SecretAccessKey is set but AccessKeyID is not"},
		"endpoint no URL":    {func(s *settings.S3) { s.Endpoint = "minio:9000" }, "Endpoint=minio:9000"},
		"endpoint of a file": {func(s *settings.S3) { s.Endpoint = "file:///tmp" }, "Endpoint=file:///tmp"},
		"small parts":        {func(s *settings.S3) { s.PartSize = 5<<20 - 1 }, "PartSize=5242879"},
		"large parts":        {func(s *settings.S3) { s.PartSize = 6 << 30 }, "PartSize=6442450944"},
		"no concurrency":     {func(s *settings.S3) { s.Concurrency = 0 }, "Concurrency=0"},
	} {
		t.Run(name, func(t *testing.T) {
			set := settings.S3{
				Name: "s3:media", AccessKeyID: "key", SecretAccessKey: "topsecret", Bucket: "bucket", Region: "eu-west-1",
				PartSize: 8 << 20, Concurrency: 4,
			}
			test.change(&set)
			b, err := New(t.Context(), set)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if b.Name() != "s3:media" {
					t.Errorf("Name = %q", b.Name())
				}
				b.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "s3:media: dfsamazons3.ini: ") {
				t.Errorf("error %v, want one that says %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "topsecret") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestPublicURL(t *testing.T) {
	const path = "var/a b+c%/\u00e9#?.png"
	const escaped = "var/a%20b%2Bc%25/%C3%A9%23%3F.png"
	for want, change := range map[string]func(*settings.S3){
		"https://media.s3.eu-west-1.amazonaws.com/" + escaped: func(*settings.S3) {},
		"https://s3.eu-west-1.amazonaws.com/media/" + escaped: func(s *settings.S3) { s.UsePathStyleEndpoint = true },
		"https://s3.eu-west-1.amazonaws.com/media.example.com/" + escaped: func(s *settings.S3) {
			s.Bucket = "media.example.com" // no certificate is for such a host
		},
		"https://media.s3.cn-north-1.amazonaws.com.cn/" + escaped: func(s *settings.S3) { s.Region = "cn-north-1" },
		"http://127.0.0.1:9000/media/" + escaped: func(s *settings.S3) {
			s.Endpoint, s.UsePathStyleEndpoint = "http://127.0.0.1:9000", true
		},
		"https://media.objects.example.com/" + escaped:          func(s *settings.S3) { s.Endpoint = "https://objects.example.com" },
		"https://cdn.example.com/x/" + escaped:                  func(s *settings.S3) { s.PublicURL = "https://cdn.example.com/x/" },
		"https://cdn.example.com/pre%20fix/" + escaped:          func(s *settings.S3) { s.PublicURL, s.Prefix = "https://cdn.example.com", "pre fix/" },
		"https://media.s3.eu-west-1.amazonaws.com/p-" + escaped: func(s *settings.S3) { s.Prefix = "p-" },
	} {
		set := settings.S3{AccessKeyID: "k", SecretAccessKey: "s", Bucket: "media", Region: "eu-west-1", PartSize: 8 << 20, Concurrency: 4}
		change(&set)
		if got := newBackend(t, set).PublicURL(path); got != want {
			t.Errorf("PublicURL = %q, want %q", got, want)
		}
	}
}

func TestSignedURLExpires(t *testing.T) {
	b := newBackend(t, testSettings(t))
	for expires, ok := range map[time.Duration]bool{
		-time.Hour: false, 0: false, time.Millisecond: false, time.Second: true, 7 * 24 * time.Hour: true, 8 * 24 * time.Hour: false,
	} {
		address, err := b.SignURL(t.Context(), "a", expires)
		if !ok {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("SignURL for %v: %v, want fs.ErrInvalid", expires, err)
			}
			continue
		}
		parsed, urlErr := url.Parse(address)
		if err != nil || urlErr != nil || parsed.Query().Get("X-Amz-Signature") == "" {
			t.Errorf("SignURL for %v: %q, %v", expires, address, err)
		}
	}
}

// Two backends with prefixes that no slash ends share a bucket and see only
// their own.
func TestPrefixes(t *testing.T) {
	set := testSettings(t)
	set.Prefix = "one-"
	one := newBackend(t, set)
	set.Prefix = "two-"
	two := newBackend(t, set)
	put(t, one, "a", []byte("of one"))
	put(t, two, "a", []byte("of two"))
	put(t, two, "b", []byte("of two"))
	if got, err := read(t, one, "a", 0, -1); err != nil || string(got) != "of one" {
		t.Errorf("read %q, %v", got, err)
	}
	n := 0
	for info, err := range two.List(t.Context(), "", "a") {
		if n++; err != nil || info.Path != "b" {
			t.Errorf("listed %q, %v, want only b", info.Path, err)
		}
	}
	if n != 1 {
		t.Errorf("listed %d bodies, want 1", n)
	}
	if err := two.Delete(t.Context(), []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Stat(t.Context(), "a"); err != nil {
		t.Errorf("the other's body is gone: %v", err)
	}
}

func TestTransportSeesEveryRequest(t *testing.T) {
	n := 0
	b := newBackend(t, testSettings(t), WithTransport(func(base http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			n++
			return base.RoundTrip(req)
		})
	}))
	if err := b.Ping(t.Context()); err != nil || n != 1 {
		t.Errorf("Ping: %v after %d requests, want 1", err, n)
	}
}
