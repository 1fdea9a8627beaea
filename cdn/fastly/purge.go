package fastly

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/batch"
	"example.com/ezdfs/cdn/internal/httpcall"
)

// purgeAll purges everything, which is always hard (reference, "Purge
// everything from a service").
func (t *Target) purgeAll(ctx context.Context) error {
	return t.purge(ctx, "/service/"+url.PathEscape(t.cfg.ServiceID)+"/purge_all", false)
}

// purgeKeys purges the keys of some items. The answer names each key that was
// taken.
func (t *Target) purgeKeys(ctx context.Context, errs []error, parts []batch.Part) {
	took, err := t.keys(ctx, batch.Objects(parts))
	for _, p := range parts {
		errs[p.Item] = err
		for _, key := range p.Objects {
			if err == nil && took[key] == nil {
				errs[p.Item] = t.client.Again("the answer does not name the key "+key, 0)
			}
		}
	}
}

// keys purges keys ("Purge multiple surrogate key tags") and returns the
// answer, by key.
func (t *Target) keys(ctx context.Context, keys []string) (map[string]json.RawMessage, error) {
	body, _ := json.Marshal(map[string][]string{"surrogate_keys": keys}) // of strings: it cannot fail
	return t.post(ctx, "/service/"+url.PathEscape(t.cfg.ServiceID)+"/purge", body, t.cfg.Soft)
}

// purgeURLs purges each URL by itself ("Purge a URL"), some at once.
func (t *Target) purgeURLs(ctx context.Context, errs []error, parts []batch.Part) {
	var wg sync.WaitGroup
	var gate batch.Gate
	slots := make(chan struct{}, urlCalls)
	for _, p := range parts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			for _, u := range p.Objects {
				if errs[p.Item] == nil {
					errs[p.Item] = gate.Do(func() error { return t.purge(ctx, "/purge/"+u, t.cfg.Soft) })
				}
			}
		})
	}
	wg.Wait()
}

// purge makes a call that is answered by a status: {"status":"ok"}.
func (t *Target) purge(ctx context.Context, path string, soft bool) error {
	answer, err := t.post(ctx, path, nil, soft)
	if err == nil && string(answer["status"]) != `"ok"` {
		return t.client.Again("the answer is not that of a purge", 0)
	}
	return err
}

// post makes a call and reads its answer, an object. An answer that is none
// comes from somebody between us and Fastly.
func (t *Target) post(ctx context.Context, path string, body []byte, soft bool) (map[string]json.RawMessage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.api+path, bytes.NewReader(body))
	if err != nil {
		return nil, t.client.Refused("the API's URL cannot be posted to")
	}
	req.Header.Set("Fastly-Key", t.cfg.Token.Reveal())
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if soft {
		req.Header.Set("Fastly-Soft-Purge", "1")
	}
	answer, err := t.client.Do(req)
	if err != nil {
		return nil, err
	}
	var object map[string]json.RawMessage
	err = json.Unmarshal(answer.Body, &object)
	if !answer.OK() {
		return nil, t.failure(answer, object)
	}
	if err != nil {
		return nil, t.client.Again("the answer is not JSON: is Endpoint right?", 0)
	}
	return object, nil
}

// failure is the error of an answer. A rate limit ends at
// Fastly-RateLimit-Reset, Unix seconds (reference, "Rate limiting").
func (t *Target) failure(answer *httpcall.Answer, object map[string]json.RawMessage) error {
	e := t.client.Error(answer, reason(answer.Status, object))
	reset, err := strconv.ParseInt(answer.Header.Get("Fastly-RateLimit-Reset"), 10, 64)
	if errors.Is(e, cdn.ErrThrottled) && err == nil && e.RetryAfter == 0 {
		e.RetryAfter = min(max(time.Unix(reset, 0).Sub(t.now()), 0), time.Hour)
	}
	return e
}

// reason is what Fastly says, in msg and detail, and what to do about it.
func reason(status int, object map[string]json.RawMessage) string {
	var parts []string
	for _, name := range []string{"msg", "detail"} {
		var text string
		if json.Unmarshal(object[name], &text) == nil && text != "" {
			parts = append(parts, text)
		}
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		parts = append(parts, "see whether Token has the scope purge_select, or purge_all for everything")
	case http.StatusNotFound:
		parts = append(parts, "see whether ServiceID is right and Token may use that service")
	}
	return strings.Join(parts, ": ")
}
