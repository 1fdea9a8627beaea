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

// clientAddr is where the tests' requests come from: not where the front ends
// are, whom the gateway trusts.
const clientAddr = "127.0.0.9"

var clientDialer = net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddr)}}

// ask sends a request on a new connection, with header lines "Key: value".
func ask(t *testing.T, method, url string, lines ...string) answer {
	t.Helper()
	a, err := try(t, method, url, lines...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func try(t *testing.T, method, url string, lines ...string) (answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		r.Header.Set(key, value)
	}
	client := http.Client{
		Transport:     &http.Transport{DialContext: clientDialer.DialContext, DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response, string(body)}, err
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
