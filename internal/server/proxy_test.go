package server

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/pires/go-proxyproto"

	"example.com/ezdfs/internal/trusted"
)

func logTo(t *testing.T) (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

// TestProxyProtocol: trusted peers must say who their clients are, others have
// no say.
func TestProxyProtocol(t *testing.T) {
	header := func(version byte, command proxyproto.ProtocolVersionAndCommand) string {
		h := &proxyproto.Header{
			Version: version, Command: command, TransportProtocol: proxyproto.TCPv4,
			SourceAddr:      &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 4000},
			DestinationAddr: &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 80},
		}
		b, err := h.Format()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	for name, test := range map[string]struct {
		proxies, send string
		status        int // 0 for none
		client        string
	}{
		"version 1":          {"127.0.0.0/8", header(1, proxyproto.PROXY), 200, "192.0.2.7"},
		"version 2":          {"127.0.0.0/8", header(2, proxyproto.PROXY), 200, "192.0.2.7"},
		"check of the proxy": {"127.0.0.0/8", header(2, proxyproto.LOCAL), 200, "127.0.0.1"},
		"none":               {"127.0.0.0/8", "", 0, ""},
		"broken":             {"127.0.0.0/8", "PROXY TCP4 nonsense\r\n", 0, ""},
		"untrusted":          {"10.0.0.0/8", "", 200, "127.0.0.1"},
		"spoofed, version 1": {"10.0.0.0/8", header(1, proxyproto.PROXY), 400, ""},
		"spoofed, version 2": {"10.0.0.0/8", header(2, proxyproto.PROXY), 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			proxies, err := trusted.Parse([]string{test.proxies})
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, Options{Proxies: proxies, ProxyProtocol: true}, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, trusted.Peer(r).String())
			})
			c := dial(t, s.address(), test.send+request)
			if test.status == 0 {
				if got, err := io.ReadAll(c); isTimeout(err) || bytes.Contains(got, []byte(" 200 ")) {
					t.Errorf("read %q, %v", got, err)
				}
				return
			}
			response, body := answer(t, c)
			if response.StatusCode != test.status || test.status == 200 && body != test.client {
				t.Errorf("got %s for %q", response.Status, body)
			}
		})
	}
}
