package googlecdn

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/httpcall"
)

// operation is what a method that takes time answers (reference, Operation).
type operation struct {
	Name   string `json:"name"`
	Status string `json:"status"` // PENDING, RUNNING or DONE
	Error  struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	} `json:"error"`
	HTTPStatus int `json:"httpErrorStatusCode"`
}

// invalidate makes one request, and waits for its end where that is wanted.
func (t *Target) invalidate(ctx context.Context, r rule) error {
	ctx, cancel := context.WithTimeout(ctx, orDefault(t.cfg.Timeout))
	defer cancel()
	body, err := json.Marshal(r)
	if err != nil {
		return t.client.Refused(err.Error())
	}
	op, err := t.operation(ctx, "/urlMaps/"+url.PathEscape(t.cfg.URLMap)+"/invalidateCache?requestId="+newUUID(), body)
	for err == nil && t.cfg.Wait && op.Status != "DONE" {
		// wait answers when the operation is done, or after two minutes at most
		// (reference, globalOperations.wait).
		if err = pause(ctx, t, op); err == nil {
			op, err = t.operation(ctx, "/operations/"+url.PathEscape(op.Name)+"/wait", nil)
		}
	}
	if err != nil {
		return err
	}
	return t.operationError(op)
}

// pollPause keeps a service that answers wait at once from being asked all the
// time.
const pollPause = 200 * time.Millisecond

func pause(ctx context.Context, t *Target, op operation) error {
	timer := time.NewTimer(pollPause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return &cdn.Error{Target: t.cfg.Name, Kind: cdn.ErrUnavailable, Reason: "operation " + httpcall.Clip(op.Name) + " is not done", Err: ctx.Err()}
	case <-timer.C:
		return nil
	}
}

func orDefault(timeout time.Duration) time.Duration {
	if timeout <= 0 {
		return time.Minute
	}
	return timeout
}

// operation posts and reads the operation that is answered.
func (t *Target) operation(ctx context.Context, path string, body []byte) (operation, error) {
	var op operation
	answer, err := t.do(ctx, http.MethodPost, path, body)
	if err != nil {
		return op, err
	}
	if json.Unmarshal(answer.Body, &op) != nil || op.Name == "" {
		return op, t.client.Error(answer, "")
	}
	return op, nil
}

// operationError is the error of an operation that failed.
func (t *Target) operationError(op operation) error {
	if len(op.Error.Errors) == 0 {
		return nil
	}
	first := op.Error.Errors[0]
	answer := &httpcall.Answer{Status: op.HTTPStatus}
	if answer.Status == 0 {
		answer.Status = http.StatusInternalServerError
	}
	return t.sorted(t.client.Error(answer, first.Code+": "+first.Message), []string{first.Code})
}

// do makes a call with a token. Whatever is not a 2xx is an error.
func (t *Target) do(ctx context.Context, method, path string, body []byte) (*httpcall.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, t.api+path, bytes.NewReader(body))
	if err != nil {
		return nil, t.client.Refused("the API's URL cannot be called")
	}
	req.Header.Set("Content-Type", "application/json")
	if err := t.tokens.authorize(req); err != nil {
		return nil, err
	}
	answer, err := t.client.Do(req)
	if err != nil || answer.OK() {
		return answer, err
	}
	return nil, t.answerError(answer)
}

// answerError reads the error of an answer (Google Cloud, "HTTP and JSON error
// responses").
func (t *Target) answerError(answer *httpcall.Answer) error {
	var body struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
			Errors  []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	json.Unmarshal(answer.Body, &body) // anything else has no reason to tell
	reasons := []string{body.Error.Status}
	for _, e := range body.Error.Errors {
		reasons = append(reasons, e.Reason)
	}
	return t.sorted(t.client.Error(answer, body.Error.Message), reasons)
}

// busy are the reasons of a 403 that mean the quota of a minute, which Google
// wants waited for (Compute Engine, "Rate quotas"); unready those that mean
// another moment.
var (
	busy    = []string{"rateLimitExceeded", "RATE_LIMIT_EXCEEDED", "userRateLimitExceeded", "quotaExceeded", "QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED"}
	unready = []string{"resourceNotReady", "RESOURCE_NOT_READY", "resourceInUseByAnotherResource", "RESOURCE_OPERATION_RATE_EXCEEDED"}
)

const busyDelay = time.Minute

// sorted corrects the kind of an error by its reasons.
func (t *Target) sorted(e *cdn.Error, reasons []string) *cdn.Error {
	has := func(list []string) bool {
		return slices.ContainsFunc(reasons, func(r string) bool { return slices.Contains(list, r) })
	}
	switch {
	case has(busy):
		e.Kind = cdn.ErrThrottled
		if e.RetryAfter == 0 {
			e.RetryAfter = busyDelay
		}
	case has(unready):
		e.Kind = cdn.ErrUnavailable
	}
	return e
}

// Test reads the URL map, which proves the credentials and both names, though
// not the permission to invalidate.
func (t *Target) Test(ctx context.Context) (string, error) {
	answer, err := t.do(ctx, http.MethodGet, "/urlMaps/"+url.PathEscape(t.cfg.URLMap), nil)
	if err != nil {
		return "", err
	}
	var urlMap struct{ Name string }
	if json.Unmarshal(answer.Body, &urlMap) != nil || urlMap.Name == "" {
		return "", t.client.Error(answer, "")
	}
	return fmt.Sprintf("read the URL map %s of the project %s", httpcall.Clip(urlMap.Name), t.cfg.Project), nil
}

// newUUID returns a random UUID, version 4 (RFC 9562 section 5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
