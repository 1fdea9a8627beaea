package bulk

import (
	"context"
	"net/http"
	"net/http/httptest"

	"example.com/ezdfs/backends"
)

// throttlingTransport answers a request of ctx by way of a store's transport
// with 503.
func throttlingTransport(ctx context.Context) *http.Response {
	req := httptest.NewRequestWithContext(ctx, http.MethodPut, "http://store/key", nil)
	resp, err := backends.NoticeThrottling(refusing{}).RoundTrip(req)
	if err != nil {
		panic(err)
	}
	return resp
}

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody}, nil
}
