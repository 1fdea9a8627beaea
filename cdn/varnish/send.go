package varnish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/batch"
	"example.com/ezdfs/cdn/internal/httpcall"
)

// send sends requests to every host and returns, for each item, what hosts did
// not take it, and why: by the host's index, nil for those that did.
func (t *Target) send(ctx context.Context, requests []request, items int) [][]error {
	failures := make([][]error, items)
	for i := range failures {
		failures[i] = make([]error, len(t.servers))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for s, server := range t.servers {
		slots := make(chan struct{}, t.cfg.Concurrency)
		var gate batch.Gate // a host that is down is not waited for by each request
		wg.Go(func() {
			for _, r := range requests {
				slots <- struct{}{}
				wg.Go(func() {
					err := gate.Do(func() error { return t.one(ctx, server, r) })
					<-slots
					mu.Lock()
					defer mu.Unlock()
					for _, i := range r.items {
						failures[i][s] = worse(failures[i][s], err)
					}
				})
			}
		})
	}
	wg.Wait()
	return failures
}

// one sends one request to one host.
func (t *Target) one(ctx context.Context, s server, r request) error {
	req, err := http.NewRequestWithContext(ctx, r.method, s.base+r.path, nil)
	if err != nil {
		return t.client.Refused("the URL cannot be requested")
	}
	req.Host = r.host
	if r.header != "" {
		req.Header.Set(r.header, r.value)
	}
	if t.cfg.Soft && r.header == "xkey" {
		req.Header.Set("xkey-soft", "1")
	}
	if t.cfg.Secret != "" {
		req.Header.Set(t.cfg.SecretHeader, t.cfg.Secret.Reveal())
	}
	answer, err := t.client.Do(req)
	if err != nil {
		return err
	}
	if answer.OK() || answer.Status == http.StatusNotFound && r.method == "PURGE" && r.header == "" {
		return nil // 404: what many VCLs say of a URL that was not in the cache
	}
	return t.client.Error(answer, advice(answer, r.method))
}

// advice says what a host said, and what to do about it.
func advice(answer *httpcall.Answer, method string) string {
	said := title(answer.Body)
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed:
		return strings.TrimPrefix(said+": "+method+" is not allowed from this host: "+
			"add its address to the ACL of the VCL, or set Secret to what the VCL asks for", ": ")
	case http.StatusNotImplemented, http.StatusServiceUnavailable:
		if said == "" {
			return "the VCL may not know " + method + ", compare it with examples/varnish/ezdfs.vcl"
		}
	}
	return said
}

var titleElement = regexp.MustCompile(`<title>([^<]*)</title>`)

// title is the reason in the page that Varnish makes of a synthetic answer.
func title(page []byte) string {
	if m := titleElement.FindSubmatch(page); m != nil {
		return string(m[1])
	}
	return ""
}

// rank orders kinds by what is to be done: what may be better a moment later
// is tried again, even where another part is refused for good.
func rank(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, cdn.ErrRefused):
		return 1
	case errors.Is(err, cdn.ErrThrottled):
		return 2
	}
	return 3
}

func worse(a, b error) error {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// join makes one error of those of the hosts, nil where there are none.
func (t *Target) join(byHost []error) error {
	var worst error
	var list hostErrors
	result := &cdn.Error{Target: t.cfg.Name}
	for i, err := range byHost {
		worst = worse(worst, err)
		var e *cdn.Error
		if errors.As(err, &e) {
			list = append(list, hostError{t.servers[i].name, e})
			result.RetryAfter = max(result.RetryAfter, e.RetryAfter)
		}
	}
	if worst == nil {
		return nil
	}
	var e *cdn.Error
	errors.As(worst, &e)
	result.Kind, result.Status = e.Kind, e.Status
	result.Reason = fmt.Sprintf("%d of %d hosts did not take it", len(list), len(byHost))
	result.Err = list
	return result
}

// hostErrors are the hosts that did not take an item.
type hostErrors []hostError

type hostError struct {
	host string
	err  *cdn.Error
}

func (l hostErrors) Error() string {
	var parts []string
	for _, e := range l {
		part := e.host + ":"
		if e.err.Status != 0 {
			part += fmt.Sprintf(" %d", e.err.Status)
		}
		if e.err.Reason != "" {
			part += " " + e.err.Reason
		}
		if e.err.Err != nil {
			part += ": " + e.err.Err.Error()
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// Unwrap makes the causes reachable, such as the end of a context. The kinds
// of single hosts are not: the whole has one.
func (l hostErrors) Unwrap() []error {
	var causes []error
	for _, e := range l {
		if e.err.Err != nil {
			causes = append(causes, e.err.Err)
		}
	}
	return causes
}
