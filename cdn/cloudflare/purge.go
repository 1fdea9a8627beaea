package cloudflare

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"example.com/ezdfs/cdn/internal/httpcall"
)

// body is that of a request ("Purge Cached Content").
func body(by string, objects []string) []byte {
	var value any = objects
	if by == "purge_everything" {
		value = true
	}
	b, _ := json.Marshal(map[string]any{by: value}) // of strings and a bool: it cannot fail
	return b
}

// result is the body of every answer.
type result struct {
	Success bool `json:"success"`
	Errors  []struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
}

// purge makes one call. Cloudflare takes all of it or nothing.
func (t *Target) purge(ctx context.Context, by string, objects []string) error {
	u := t.api + "/zones/" + url.PathEscape(t.cfg.ZoneID) + "/purge_cache"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewReader(body(by, objects)))
	if err != nil {
		return t.client.Refused("the API's URL cannot be posted to")
	}
	req.Header.Set("Authorization", "Bearer "+t.cfg.Token.Reveal())
	req.Header.Set("Content-Type", "application/json")
	answer, err := t.client.Do(req)
	if err != nil {
		return err
	}
	var r result
	err = json.Unmarshal(answer.Body, &r)
	switch {
	case !answer.OK():
		return t.client.Error(answer, reason(answer, r))
	case err != nil:
		return t.client.Again("the answer is not JSON: is Endpoint right?", 0)
	case !r.Success:
		return t.client.Again(reason(answer, r), 0) // a 200 all the same
	}
	return nil
}

// reason is what Cloudflare says, and what to do about it.
func reason(answer *httpcall.Answer, r result) string {
	var parts []string
	for _, e := range r.Errors {
		parts = append(parts, fmt.Sprintf("%s (code %d)", e.Message, e.Code))
	}
	switch answer.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		parts = append(parts, "see whether Token has the permission Zone, Cache Purge for this zone")
	case http.StatusNotFound:
		parts = append(parts, "see whether ZoneID is right")
	}
	return strings.Join(parts, "; ")
}
