package errorpage_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"example.com/ezdfs/internal/errorpage"
)

// TestWrite; which of the two a client gets is tried by gateway/gatewaytest.
func TestWrite(t *testing.T) {
	for _, test := range []struct{ method, accept, kind, body string }{
		{"GET", "", "text/html; charset=utf-8",
			"<!DOCTYPE html>\n<html lang=\"en\"><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>\n"},
		{"POST", "application/json", "application/json", "{\"status\":404,\"error\":\"Not Found\"}\n"},
		{"GET", "text/*;q=0.5, application/json;q=0.4, */*", "text/html; charset=utf-8", ""},
		{"GET", "text/*;q=0.5, application/json;q=nan, text/html;q=2", "text/html; charset=utf-8", ""},
		{"HEAD", "application/*", "application/json", "-"},
	} {
		r := httptest.NewRequest(test.method, "/", nil)
		if test.accept != "" {
			r.Header.Set("Accept", test.accept)
		}
		w := httptest.NewRecorder()
		w.Header().Set("Vary", "Origin")
		errorpage.Write(w, r, http.StatusNotFound)
		length, err := strconv.Atoi(w.Header().Get("Content-Length"))
		if w.Code != 404 || w.Header().Get("Content-Type") != test.kind || err != nil || length == 0 || len(w.Header()["Vary"]) != 2 {
			t.Errorf("%+v: %d %v", test, w.Code, w.Header())
		}
		switch body := w.Body.String(); {
		case test.body == "-" && body != "", len(test.body) > 1 && body != test.body, test.body != "-" && len(body) != length:
			t.Errorf("%+v: %q", test, body)
		}
	}
}
