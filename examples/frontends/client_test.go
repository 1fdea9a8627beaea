package frontends

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answer is what came back for a request.
type answer struct {
	*http.Response
	body string
}

// Requests of the tests come from visitor; the front ends are at trusted, whom
// the gateway believes and who may invalidate.
const (
	visitor = "127.0.0.9"
	trusted = "127.0.0.1"
)

// ask sends a visitor's request on a new connection, with header lines
// "Key: value".
func ask(t *testing.T, method, url string, lines ...string) answer {
	t.Helper()
	return askFrom(t, visitor, method, url, lines...)
}

// askFrom is ask from another address.
func askFrom(t *testing.T, addr, method, url string, lines ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		r.Header.Set(key, value)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: %d, then %v", method, url, response.StatusCode, err)
	}
	return answer{response, string(body)}
}

// eventually waits until something holds that another process brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
