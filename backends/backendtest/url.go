package backendtest

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

var urlTests = []test{
	{"public", func(t *testing.T, h Harness, s store) {
		b, ok := backends.As[backends.PublicURLer](s.Backend)
		if !ok {
			t.Skip("bodies have no URL of their own here")
		}
		seen := map[string]string{}
		for _, path := range h.oddNames() {
			address := b.PublicURL(path)
			parsed, err := url.Parse(address)
			if err != nil || parsed.Host == "" || parsed.RawQuery != "" || parsed.Fragment != "" || !strings.HasSuffix(parsed.Path, path) {
				t.Errorf("PublicURL(%q) = %q: parses as %#v, %v", path, address, parsed, err)
				continue
			}
			if strings.ContainsAny(parsed.EscapedPath(), "+ ") {
				t.Errorf("PublicURL(%q) = %q: some servers take + for a space", path, address)
			}
			if other, ok := seen[address]; ok {
				t.Errorf("PublicURL(%q) = PublicURL(%q) = %q", path, other, address)
			}
			seen[address] = path
			if h.FetchesPublicURLs {
				s.put(t, path, "this is "+path)
				wantGet(t, address, "this is "+path)
			}
		}
	}},
	{"signed", func(t *testing.T, h Harness, s store) {
		b, ok := backends.As[backends.URLSigner](s.Backend)
		if !ok {
			t.Skip("bodies cannot be lent by URL here")
		}
		for _, path := range h.oddNames() {
			s.put(t, path, "this is "+path)
			address, err := b.SignURL(t.Context(), path, time.Minute)
			if err != nil {
				t.Errorf("SignURL(%q): %v", path, err)
				continue
			}
			wantGet(t, address, "this is "+path)
		}
	}},
	{"signed for another path", func(t *testing.T, h Harness, s store) {
		b, ok := backends.As[backends.URLSigner](s.Backend)
		if !ok || !h.ChecksSignatures {
			t.Skip("the service does not check signatures")
		}
		s.put(t, "dir/public", "lent")
		s.put(t, "dir/secret", "not lent")
		address, err := b.SignURL(t.Context(), "dir/public", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		tampered := strings.Replace(address, "dir/public", "dir/secret", 1)
		if status, _ := get(t, tampered); tampered == address || status < 400 {
			t.Errorf("GET of a tampered URL answers %d", status)
		}
	}},
}

func wantGet(t *testing.T, address, want string) {
	t.Helper()
	if status, body := get(t, address); status != http.StatusOK || body != want {
		t.Errorf("GET %s: %d %.100q, want %q", address, status, body, want)
	}
}

func get(t *testing.T, address string) (status int, body string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}
