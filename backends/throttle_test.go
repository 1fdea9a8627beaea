package backends_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/ezdfs/backends"
)

func TestIsThrottled(t *testing.T) {
	slow := &backends.Error{Kind: backends.ErrUnavailable, Retry: true, Throttled: true}
	gone := &backends.Error{Kind: backends.ErrUnavailable, Retry: true}
	for _, test := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{gone, false},
		{slow, true},
		{fmt.Errorf("storing: %w", slow), true},
		{&backends.DeleteError{Failed: map[string]error{"a": gone, "b": slow}}, true},
		{&backends.DeleteError{Failed: map[string]error{"a": gone}}, false},
	} {
		if got := backends.IsThrottled(test.err); got != test.want {
			t.Errorf("IsThrottled(%v) = %v", test.err, got)
		}
	}
}

type answer int

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	if a == 0 {
		return nil, errors.New("no answer")
	}
	return &http.Response{StatusCode: int(a), Body: http.NoBody}, nil
}

func TestNoticeThrottling(t *testing.T) {
	for status, want := range map[answer]int{0: 0, 200: 0, 404: 0, 500: 0, 429: 1, 503: 1} {
		noticed := 0
		ctx := backends.WithThrottleNotice(t.Context(), func() { noticed++ })
		for _, ctx := range []context.Context{ctx, t.Context()} { // nobody asked in the second
			resp, err := backends.NoticeThrottling(status).RoundTrip(httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
			if (err == nil) != (status != 0) || err == nil && resp.StatusCode != int(status) {
				t.Errorf("%d: %v, %v", status, resp, err)
			}
		}
		if noticed != want {
			t.Errorf("%d was noticed %d times", status, noticed)
		}
	}
}
