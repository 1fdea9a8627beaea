package fastly_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/ezdfs/cdn/cdntest/fastly"
)

func keys(n int) string {
	return `{"surrogate_keys":["` + strings.Repeat(`k","`, n-1) + `k"]}`
}

// TestRefuses what the API refuses, and takes what it takes.
func TestRefuses(t *testing.T) {
	for _, test := range []struct {
		method, path, token, soft, body string
		want                            int
	}{
		{"POST", "/service/S/purge", "token", "", keys(fastly.MaxKeys), 200},
		{"POST", "/service/S/purge", "token", "", keys(fastly.MaxKeys + 1), 400},
		{"POST", "/service/S/purge", "token", "", `{"surrogate_keys":[]}`, 400},
		{"POST", "/service/S/purge", "token", "", `{"surrogate_keys":["a"`, 400},
		{"POST", "/service/S/purge", "wrong", "", keys(1), 401},
		{"POST", "/service/S/purge", "", "", keys(1), 401},
		{"POST", "/service/T/purge", "token", "", keys(1), 404},
		{"PURGE", "/service/S/purge", "token", "", keys(1), 405},
		{"POST", "/service/S/purge_all", "token", "", "", 200},
		{"POST", "/service/S/purge_all", "token", "1", "", 400},
		{"POST", "/purge/www.example.com/a%20b", "token", "1", "", 200},
		{"POST", "/purge/https://www.example.com/a", "token", "", "", 400},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Fastly-Key", test.token)
		r.Header.Set("Fastly-Soft-Purge", test.soft)
		fastly.New("S", "token").ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%s %s %.30s: %d, want %d: %s", test.method, test.path, test.body, w.Code, test.want, w.Body)
		}
	}
}

// Example purges a key by hand.
func Example() {
	api := fastly.New("SU1Z0isxPaozGVKXdv0eY", "token")
	r := httptest.NewRequest(http.MethodPost, "/service/SU1Z0isxPaozGVKXdv0eY/purge/p-8b34107b1400", nil)
	r.Header.Set("Fastly-Key", "token")
	api.ServeHTTP(httptest.NewRecorder(), r)
	fmt.Println(api.Key("p-8b34107b1400"))
	// Output: hard
}
