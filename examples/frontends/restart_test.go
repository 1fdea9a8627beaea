package frontends

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// TestRestartLosesNoRequest: while gateways replace each other at one address,
// as they do under systemd, each request through the connections that a front
// end keeps is answered. Varnish and the cache of nginx ask for another file
// each time.
func TestRestartLosesNoRequest(t *testing.T) {
	for name, start := range tables {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, settingsOf[name]...)
			s.store(t, images+"a", "a")
			url := start(t, s)
			ask(t, "GET", url+"/"+images+"a")
			s.requests()

			var asked atomic.Int64
			stop := make(chan struct{})
			var clients sync.WaitGroup
			for range 4 {
				clients.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						n := asked.Add(1)
						if a := ask(t, "GET", fmt.Sprintf("%s/%s%d", url, images, n)); a.StatusCode != 404 {
							t.Errorf("request %d: %d %v", n, a.StatusCode, a.Header)
						}
					}
				})
			}
			for range 3 {
				before := asked.Load()
				eventually(t, "requests go on", func() bool { return asked.Load() > before+50 })
				old := s.stop
				s.start(t)
				old()
			}
			close(stop)
			clients.Wait()
			if seen := len(s.requests()); seen < int(asked.Load()) {
				t.Errorf("%d requests reached the gateways, of %d", seen, asked.Load())
			}
		})
	}
}
