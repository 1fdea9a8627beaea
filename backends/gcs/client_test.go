package gcs

import (
	"errors"
	"io/fs"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// TestBadConfiguration: New says which setting is wrong, and shows no key.
func TestBadConfiguration(t *testing.T) {
	file := func(content string) string {
		name := filepath.Join(t.TempDir(), "key.json")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const secret = "very-secret"
	for _, test := range []struct {
		name string
		cfg  settings.GCS
		want string
	}{
		{"no bucket", settings.GCS{Endpoint: "http://127.0.0.1:1"}, "Bucket"},
		{"no scheme", settings.GCS{Bucket: "b", Endpoint: "127.0.0.1:4443"}, "Endpoint"},
		{"path", settings.GCS{Bucket: "b", Endpoint: "http://127.0.0.1:1/storage/v1/"}, "Endpoint"},
		{"missing file", settings.GCS{Bucket: "b", CredentialsFile: "/does/not/exist.json"}, "/does/not/exist.json"},
		{"not JSON", settings.GCS{Bucket: "b", CredentialsFile: file(secret)}, "CredentialsFile"},
		{"no type", settings.GCS{Bucket: "b", CredentialsFile: file(`{"private_key":"` + secret + `"}`)}, "service account"},
		{"other type", settings.GCS{Bucket: "b", CredentialsFile: file(`{"type":"gdch_service_account"}`)}, "gdch_service_account"},
		{"no key", settings.GCS{Bucket: "b", CredentialsFile: file(`{"type":"service_account","client_email":"x"}`)}, "private_key"},
		{"bad key", settings.GCS{Bucket: "b", CredentialsFile: file(`{"type":"service_account","client_email":"x","private_key":"` + secret + `"}`)}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := New(t.Context(), test.cfg)
			if err == nil { // a key that does not parse shows with the first token
				defer b.Close()
				err = b.Ping(t.Context())
			}
			if !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want ErrUnavailable that names %q", err, test.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

// TestDefaultCredentials come from the environment's key file.
func TestDefaultCredentials(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", keyFile(t, "http://127.0.0.1:1"))
	b, err := New(t.Context(), settings.GCS{Bucket: "media"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Name() != "gcs" {
		t.Errorf("Name = %q", b.Name())
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/does/not/exist.json")
	if _, err := New(t.Context(), settings.GCS{Bucket: "media"}); !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("New with a missing key file: %v, want ErrUnavailable", err)
	}
}

// TestWrongToken: credentials that the service does not take.
func TestWrongToken(t *testing.T) {
	s := startService(t)
	cfg := s.config(t)
	cfg.CredentialsFile = "" // no token at all
	if err := newBackend(t, cfg).Ping(t.Context()); !errors.Is(err, backends.ErrUnavailable) || backends.IsRetryable(err) {
		t.Errorf("Ping without a token: %v, want ErrUnavailable", err)
	}
}

// TestEmulatorVariable: the settings say where the store is, not a variable
// that is left in the environment.
func TestEmulatorVariable(t *testing.T) {
	s := startService(t)
	t.Setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1")
	b := newBackend(t, s.config(t))
	put(t, b, "a", []byte("body"), backends.Attributes{Size: 4})
	if body, _ := mustRead(t, b, "a", 0, -1); string(body) != "body" {
		t.Errorf("read %q", body)
	}
	real, err := New(t.Context(), settings.GCS{Bucket: "media", CredentialsFile: keyFile(t, s.URL)})
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	if got := real.PublicURL("a"); got != "https://storage.googleapis.com/media/a" {
		t.Errorf("PublicURL = %s", got)
	}
}

// TestClose leaves no connection behind, while the service is still there.
func TestClose(t *testing.T) {
	cfg := startService(t).config(t)
	w := new(wire)
	b := newBackend(t, cfg, w.option())
	put(t, b, "a", []byte("body"), backends.Attributes{Size: 4})
	w.reset(nil)
	reused := make(chan bool, 2)
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused <- info.Reused },
	})
	for _, want := range []bool{true, false} {
		if err := b.Ping(trace); err != nil { // after Close only to look at the connections
			t.Fatal(err)
		}
		if got := <-reused; got != want {
			t.Errorf("connection reused: %t, want %t", got, want)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
