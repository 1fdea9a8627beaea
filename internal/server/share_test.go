package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/ezdfs/internal/trusted"
)

// TestClientShare: one client gets no more than its share of the requests in
// flight, whatever it says about itself, and everybody else is served.
func TestClientShare(t *testing.T) {
	proxies, err := trusted.Parse([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		requests, percent int
		client            func(i int) (peer, forwarded string)
		want              int // of 60
	}{
		"one address":                       {100, 0, func(int) (string, string) { return "192.0.2.1:1", "" }, 25},
		"one that says it is another":       {100, 0, func(i int) (string, string) { return "192.0.2.1:1", fmt.Sprintf("198.51.100.%d", i) }, 25},
		"one behind a proxy":                {100, 0, func(i int) (string, string) { return fmt.Sprintf("10.0.0.%d:1", i), "8.8.8.8, 192.0.2.1" }, 25},
		"one network of IPv6":               {100, 0, func(i int) (string, string) { return fmt.Sprintf("[2001:db8:1:2:%x::1]:1", i), "" }, 25},
		"one on the link":                   {100, 0, func(i int) (string, string) { return fmt.Sprintf("[fe80::%x%%eth%d]:1", i, i), "" }, 25},
		"one, as IPv6 writes it":            {100, 0, func(i int) (string, string) { return []string{"192.0.2.1:1", "[::ffff:192.0.2.1]:1"}[i%2], "" }, 25},
		"another share":                     {100, 50, func(int) (string, string) { return "192.0.2.1:1", "" }, 50},
		"a tiny share":                      {20, 1, func(int) (string, string) { return "192.0.2.1:1", "" }, 1},
		"many addresses":                    {100, 0, func(i int) (string, string) { return fmt.Sprintf("192.0.2.%d:1", i), "" }, 60},
		"many behind a proxy":               {100, 0, func(i int) (string, string) { return "10.0.0.1:1", fmt.Sprintf("192.0.2.%d", i) }, 60},
		"many networks of IPv6":             {100, 0, func(i int) (string, string) { return fmt.Sprintf("[2001:db8:1:%x::1]:1", i), "" }, 60},
		"a proxy that says nothing of them": {100, 0, func(int) (string, string) { return "10.0.0.1:1", "" }, 60},
		"who is on this host":               {100, 0, func(int) (string, string) { return "127.0.0.1:1", "" }, 60},
		"the peers of a Unix socket":        {100, 0, func(int) (string, string) { return "@", "" }, 60},
		"no share":                          {100, 100, func(int) (string, string) { return "192.0.2.1:1", "" }, 60},
		"no limit":                          {0, 25, func(int) (string, string) { return "192.0.2.1:1", "" }, 60},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Listen(t.Context(), Options{Listen: []string{"127.0.0.1:0"}, MaxRequests: test.requests, ClientShare: test.percent, Proxies: proxies})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			leave := make(chan struct{})
			entered := make(chan int, 200)
			h := s.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered <- 200; <-leave }))
			var all sync.WaitGroup
			send := func(peer, forwarded string) int {
				w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
				r.RemoteAddr = peer
				if forwarded != "" {
					r.Header.Set("X-Forwarded-For", forwarded)
				}
				all.Go(func() {
					h.ServeHTTP(w, r)
					if w.Code != 200 {
						entered <- w.Code
					}
				})
				code := <-entered
				if code != 200 && (code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "") {
					t.Errorf("%d %v", w.Code, w.Header())
				}
				return code
			}
			for range 2 { // the second time shows that nothing is counted for ever
				got := 0
				for i := range 60 {
					if send(test.client(i)) == 200 {
						got++
					}
				}
				if got != test.want {
					t.Errorf("%d were admitted, want %d", got, test.want)
				}
				if test.want < 60 {
					if code := send("203.0.113.1:1", ""); code != 200 {
						t.Errorf("another client got %d", code)
					}
				}
				close(leave)
				all.Wait()
				leave = make(chan struct{})
			}
			if len(s.shares.counts) != 0 {
				t.Errorf("still counted: %v", s.shares.counts)
			}
		})
	}
}

// TestClientShareOfHTTP2: two connections of one client, with fifty requests
// each, once held all that there was.
func TestClientShareOfHTTP2(t *testing.T) {
	proxies, err := trusted.Parse([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	files := writePair(t, t.TempDir(), 1)
	leave := make(chan struct{})
	var held atomic.Int64
	s := start(t, Options{TLSCertificate: files.cert, TLSKey: files.key, MaxRequests: 80, Proxies: proxies, DrainTimeout: patience},
		func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 2 {
				t.Errorf("over %s", r.Proto)
			}
			if r.URL.Path == "/held" {
				held.Add(1)
				<-leave
			}
			hello(w, r)
		})
	var refused, all sync.WaitGroup
	refused.Add(100 - 20)
	var clients []*http.Client
	for range 2 {
		client := newClient(t)
		clients = append(clients, client)
		for range 50 {
			all.Go(func() {
				response, err := askFor(client, "https://"+s.address()+"/held", "192.0.2.1")
				if err != nil {
					t.Error(err)
				} else if response.StatusCode != 200 { // 429, or 503 if too many arrive at the same moment
					refused.Done()
				}
			})
		}
	}
	refused.Wait()
	if response, err := askFor(clients[0], "https://"+s.address()+"/", "192.0.2.2"); err != nil || response.StatusCode != 200 {
		t.Errorf("another client: %v, %v", response, err)
	}
	close(leave)
	all.Wait()
	if held.Load() != 20 {
		t.Errorf("%d were admitted, want 20", held.Load())
	}
}

// newClient has connections of its own.
func newClient(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func askFor(client *http.Client, url, forwarded string) (*http.Response, error) {
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-Forwarded-For", forwarded)
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response, err
}
