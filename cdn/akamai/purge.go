package akamai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/httpcall"
)

// purge is what an item is to Akamai.
type purge struct {
	item    int    // its place in the batch
	kind    string // "url", "tag" or "cpcode"
	objects []string
}

// envelope is how long a body is without objects: {"objects":[]}.
const envelope = len(`{"objects":[]}`)

// size is what the objects of a purge add to a body, with their quotes and
// commas. They hold nothing that JSON escapes.
func (p purge) size() int {
	n := 0
	for _, object := range p.objects {
		n += len(object) + 3
	}
	return n
}

func (t *Target) size(item cdn.Item) int {
	p, _ := t.objects(item)
	return p.size()
}

// body is that of a request; CP codes are numbers (reference, "Invalidate by
// CP code").
func body(purges []purge) []byte {
	objects := []any{}
	for _, p := range purges {
		for _, object := range p.objects {
			if p.kind == "cpcode" {
				objects = append(objects, json.Number(object))
				continue
			}
			objects = append(objects, object)
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(map[string]any{"objects": objects}) // of strings and numbers: it cannot fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// maxCalls bounds the calls of one delivery: enough to find a few bad objects
// among a thousand.
const maxCalls = 64

// delivery is one batch under way.
type delivery struct {
	t     *Target
	errs  []error
	calls int // that may still be made
}

// send purges objects of one type. Where Akamai refuses some of them, the
// others are sent again without those.
func (d *delivery) send(ctx context.Context, purges []purge) {
	if len(purges) == 0 {
		return
	}
	if d.calls--; d.calls < 0 {
		d.set(purges, &cdn.Error{Target: d.t.name, Kind: cdn.ErrUnavailable, Reason: "not tried: too many bad objects in one batch"})
		return
	}
	answer, err := d.t.purge(ctx, purges)
	if err != nil {
		d.set(purges, err)
		return
	}
	failure := d.t.answerError(answer)
	if failure == nil {
		return
	}
	if len(purges) > 1 && errors.Is(failure, cdn.ErrRefused) {
		if bad, rest := named(purges, problemOf(answer).text()); len(bad) > 0 {
			d.set(bad, failure)
			d.send(ctx, rest)
			return
		}
		if answer.Status == http.StatusBadRequest || answer.Status == http.StatusRequestEntityTooLarge {
			half := len(purges) / 2
			d.send(ctx, purges[:half])
			d.send(ctx, purges[half:])
			return
		}
	}
	d.set(purges, failure)
}

func (d *delivery) set(purges []purge, err error) {
	for _, p := range purges {
		d.errs[p.item] = err
	}
}

// named splits off the purges of which a message names an object, in quotes.
func named(purges []purge, message string) (bad, rest []purge) {
	for _, p := range purges {
		found := false
		for _, object := range p.objects {
			found = found || strings.Contains(message, "'"+object+"'") || strings.Contains(message, `"`+object+`"`)
		}
		if found {
			bad = append(bad, p)
		} else {
			rest = append(rest, p)
		}
	}
	return bad, rest
}

// purge makes one request (reference, "Invalidate by URL or ARL" and the other
// five).
func (t *Target) purge(ctx context.Context, purges []purge) (*httpcall.Answer, error) {
	method := "invalidate"
	if t.cfg.Method == "delete" {
		method = "delete"
	}
	return t.post(ctx, "/ccu/v3/"+method+"/"+purges[0].kind+"/"+t.network, body(purges))
}

func (t *Target) post(ctx context.Context, path string, body []byte) (*httpcall.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.api+path, bytes.NewReader(body))
	if err != nil {
		return nil, t.client.Refused("the API's URL cannot be posted to")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	t.signer.sign(req, body)
	return t.client.Do(req)
}

// problem is the body of an error (reference, "Errors").
type problem struct {
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	SupportID string `json:"supportId"`
}

func problemOf(answer *httpcall.Answer) problem {
	var p problem
	json.Unmarshal(answer.Body, &p) // anything else has no reason to tell
	return p
}

func (p problem) text() string {
	var parts []string
	for _, part := range []string{p.Title, p.Detail} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	text := strings.Join(parts, ": ")
	if p.SupportID != "" {
		text += " (support ID " + p.SupportID + ")"
	}
	return text
}

// answerError says what an answer means to the ledger, nil that it was
// accepted: 201, and as JSON. 507 is the older form of 429, a full queue. A
// timestamp or nonce that is refused is another one the next time.
func (t *Target) answerError(answer *httpcall.Answer) error {
	if answer.OK() && json.Valid(answer.Body) {
		return nil
	}
	text := problemOf(answer).text()
	e := t.client.Error(answer, text)
	switch answer.Status {
	case http.StatusTooManyRequests, http.StatusInsufficientStorage:
		e.Kind = cdn.ErrThrottled
		e.RetryAfter = max(e.RetryAfter, throttleDelay)
	case http.StatusBadRequest, http.StatusUnauthorized:
		if unlucky.MatchString(text) {
			e.Kind = cdn.ErrUnavailable
			e.Reason += "; is the clock of this host right?"
		}
	}
	return e
}

// unlucky are the complaints about what is another the next time.
var unlucky = regexp.MustCompile(`(?i)\b(timestamp|nonce)\b($|[^=])`)
