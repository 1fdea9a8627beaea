package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
)

// TestConnectionsAreKept: whatever the answer, the next request goes over the
// same connection and gets its own.
func TestConnectionsAreKept(t *testing.T) {
	server := serve(t, gateway.New(fakeFile("0123456789"), gateway.Options{}))
	for i, test := range []struct {
		method, path, line string
		status             int
	}{
		{"GET", target, "", 200},
		{"HEAD", target, "", 200},
		{"GET", target, `If-None-Match: "1700000000-10"`, 304},
		{"GET", target, `If-Match: "x"`, 412},
		{"GET", target, "Range: bytes=10-", 416},
		{"HEAD", target, "Range: bytes=10-", 200},
		{"GET", "/", "", 404},
		{"HEAD", "/", "", 404},
		{"OPTIONS", target, "", 204},
		{"DELETE", target, "", 405},
		{"GET", target, "", 200},
	} {
		reused := false
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
		r, err := http.NewRequestWithContext(ctx, test.method, server.URL+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if key, value, ok := strings.Cut(test.line, ": "); ok {
			r.Header.Set(key, value)
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if answer.StatusCode != test.status || reused != (i > 0) {
			t.Errorf("%s %s %s: %d, connection kept: %v", test.method, test.path, test.line, answer.StatusCode, reused)
		}
	}
}

// TestHTTP2: the handler knows no version of HTTP, and a broken body resets
// its stream.
func TestHTTP2(t *testing.T) {
	f := fakeFile("0123456789")
	broken := false
	f.open = func() (*cluster.File, error) {
		body := f.body
		if broken {
			body = body[:5]
		}
		return fileOf(f.row, bytes.NewReader(body), "1"), nil
	}
	server := httptest.NewUnstartedServer(gateway.New(f, gateway.Options{}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	for _, broken = range []bool{false, true} {
		answer, err := server.Client().Get(server.URL + target)
		if err != nil {
			continue // reset before the header
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.ProtoMajor != 2 || (err != nil) != broken || !broken && string(body) != "0123456789" {
			t.Errorf("%s %q, %v; broken: %v", answer.Proto, body, err, broken)
		}
	}
}
