package cloudflare_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/ezdfs/cdn/cdntest/cloudflare"
)

const path = "/client/v4/zones/z/purge_cache"

func post(api http.Handler, method, path, token, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	api.ServeHTTP(w, r)
	return w
}

func files(n int) string {
	const one = `"https://www.example.com/a"`
	return `{"files":[` + strings.Repeat(one+",", n-1) + one + `]}`
}

// TestRefuses what the API refuses, and takes what it takes.
func TestRefuses(t *testing.T) {
	for _, test := range []struct {
		method, path, token, body string
		want                      int
	}{
		{"POST", path, "token", files(100), 200},
		{"POST", path, "token", files(101), 400},
		{"POST", path, "token", `{"files":[]}`, 400},
		{"POST", path, "token", `{"files":"https://www.example.com/a"}`, 400},
		{"POST", path, "token", `{"files":["https://elsewhere.example/a"]}`, 400},
		{"POST", path, "token", `{"files":["https://www.example.com/a b"]}`, 400},
		{"POST", path, "token", `{"files":["https://www.example.com/a"],"tags":["a"]}`, 400},
		{"POST", path, "token", `{"prefixes":["www.example.com/a"]}`, 200},
		{"POST", path, "token", `{"prefixes":["https://www.example.com/a"]}`, 400},
		{"POST", path, "token", `{"hosts":["www.example.com"]}`, 200},
		{"POST", path, "token", `{"tags":["p-8b34107b1400"]}`, 200},
		{"POST", path, "token", `{"tags":["two tags"]}`, 400},
		{"POST", path, "token", `{"purge_everything":true}`, 200},
		{"POST", path, "token", `{"purge_everything":false}`, 400},
		{"POST", path, "token", `{"galaxies":["a"]}`, 400},
		{"POST", path, "token", `{}`, 400},
		{"POST", path, "token", `{"files":[`, 400},
		{"POST", path, "wrong", files(1), 403},
		{"POST", "/client/v4/zones/y/purge_cache", "token", files(1), 404},
		{"GET", path, "token", files(1), 405},
	} {
		w := post(cloudflare.New("z", "token", "www.example.com"), test.method, test.path, test.token, test.body)
		if w.Code != test.want || strings.Contains(w.Body.String(), `"success":true`) != (test.want == 200) {
			t.Errorf("%s %s %.60s: %d, want %d: %s", test.method, test.path, test.body, w.Code, test.want, w.Body)
		}
	}
}

// TestBucket: what is purged by tag is counted, what is purged by URL is not.
func TestBucket(t *testing.T) {
	api := cloudflare.New("z", "token", "www.example.com")
	api.Tokens, api.RetryAfter = 1, 12
	for i, want := range []int{200, 429} {
		w := post(api, "POST", path, "token", `{"tags":["a"]}`)
		if w.Code != want || (w.Header().Get("Retry-After") == "12") != (want == 429) {
			t.Errorf("call %d: %d", i, w.Code)
		}
	}
	if w := post(api, "POST", path, "token", files(1)); w.Code != 200 {
		t.Errorf("by URL: %d", w.Code)
	}
}

// Example purges a file by hand.
func Example() {
	api := cloudflare.New("z", "token", "www.example.com")
	post(api, "POST", path, "token", `{"files":["https://www.example.com/a.png"]}`)
	fmt.Println(api.Purged("files", "https://www.example.com/a.png"), api.Calls())
	// Output: true [{files 1}]
}
