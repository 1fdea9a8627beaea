package delivery

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cdn"
)

const (
	// warmQueue is how many URLs wait to be requested; more are dropped, since
	// warming is a favour.
	warmQueue = 1000
	// warmTimeout is how long one request may take.
	warmTimeout = 30 * time.Second
)

// warmer requests URLs so that caches have them before anybody asks.
type warmer struct {
	urls    chan string
	workers int
	metrics *metrics
	client  *http.Client
}

func newWarmer(workers int, m *metrics) *warmer {
	return &warmer{urls: make(chan string, warmQueue), workers: workers, metrics: m,
		client: &http.Client{Timeout: warmTimeout, Transport: http.DefaultTransport.(*http.Transport).Clone()}}
}

// warm requests what a cache was told to forget, and what is still there.
func (w *worker) warm(batch []prepared, errs []error) {
	for k, b := range batch {
		if errs[k] != nil || b.item.Extent != cdn.Path || b.item.Action != cdn.Invalidate || b.item.Row.Size == 0 || !b.item.Row.Live() {
			continue
		}
		one := w.rules.of(b.item.Subject)
		if one == nil || one.Warm == "" || w.does(cdn.Push) {
			continue
		}
		select {
		case w.warmer.urls <- strings.TrimRight(one.Warm, "/") + "/" + backends.EscapePath(b.item.Subject):
		default:
			w.metrics.warmed.WithLabelValues("dropped").Inc()
		}
	}
}

// run requests what is queued until ctx is done.
func (w *warmer) run(ctx context.Context) {
	defer w.client.CloseIdleConnections()
	var all sync.WaitGroup
	for range w.workers {
		all.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case url := <-w.urls:
					w.metrics.warmed.WithLabelValues(w.request(ctx, url)).Inc()
				}
			}
		})
	}
	all.Wait()
}

// request reads one URL to its end and says how that went.
func (w *warmer) request(ctx context.Context, url string) string {
	const ok, failed = "ok", "failed"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return failed
	}
	response, err := w.client.Do(request)
	if err != nil {
		return failed
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		return failed
	}
	return ok
}
