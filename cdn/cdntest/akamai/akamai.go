// Package akamai stands in for Akamai's Fast Purge API v3 in tests: it checks
// EdgeGrid signatures, refuses old timestamps and nonces that it has seen,
// bodies beyond 50,000 bytes and objects that are none, and counts tokens.
package akamai

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/cdn/cdntest"
	"example.com/ezdfs/settings"
)

// Purge is one object that was purged.
type Purge struct{ Method, Kind, Network, Object string }

// Server is the stand-in. Set its fields before the first request.
type Server struct {
	*httptest.Server
	// Faults stands before the API.
	Faults *cdntest.Faults
	// Refuse makes a request fail because of an object that it returns true
	// for; the answer names it unless Quiet.
	Refuse func(object string) bool
	Quiet  bool
	// Forbid is Refuse for want of permission, 403.
	Forbid func(object string) bool
	// Tokens are how many objects are left; they do not come back.
	Tokens int

	mu     sync.Mutex
	nonces map[string]bool
	purged []Purge
}

const (
	clientToken, accessToken = "akab-client-token-of-the-test", "akab-access-token-of-the-test"
	clientSecret             = "client-secret-of-the-test="
	maxBody                  = 50_000
	maxSkew                  = 30 * time.Second
)

// Start starts a stand-in that ends with the test.
func Start(tb testing.TB) *Server {
	s := &Server{nonces: map[string]bool{}, Tokens: 10_000}
	s.Faults = cdntest.NewFaults(http.HandlerFunc(s.serve))
	s.Server = httptest.NewServer(s.Faults)
	tb.Cleanup(s.Close)
	return s
}

// Settings are those of a target that talks to it.
func (s *Server) Settings() settings.Akamai {
	return settings.Akamai{
		Name: "akamai:test", URLs: []string{"https://www.example.com"}, Tags: true, Endpoint: s.URL,
		ClientToken: clientToken, ClientSecret: clientSecret, AccessToken: accessToken,
	}
}

// Secrets are what no error may hold.
func (s *Server) Secrets() []string { return []string{clientToken, accessToken, clientSecret} }

// Purged lists what was purged, in order.
func (s *Server) Purged() []Purge {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Purge(nil), s.purged...)
}

// serve is the API.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if why := s.check(r, body); why != "" {
		answer(w, http.StatusUnauthorized, "Not authorized", why+"; you sent "+r.Header.Get("Authorization"))
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ccu/v3/rate-limit-status/{kind}", s.status)
	mux.HandleFunc("POST /ccu/v3/{method}/{kind}/{network}", s.purge)
	mux.ServeHTTP(w, r)
}

var header = regexp.MustCompile(`^(EG1-HMAC-SHA256 client_token=([^;]+);access_token=([^;]+);timestamp=([^;]+);nonce=([^;]+);)signature=(\S+)$`)

// check says what is wrong with a signature, "" for nothing.
func (s *Server) check(r *http.Request, body []byte) string {
	m := header.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil || m[2] != clientToken || m[3] != accessToken {
		return "Invalid authorization header"
	}
	at, err := time.Parse("20060102T15:04:05+0000", m[4])
	if err != nil || time.Since(at).Abs() > maxSkew {
		return "Invalid timestamp"
	}
	if s.nonces[m[5]] {
		return "Nonce was used before"
	}
	s.nonces[m[5]] = true
	hash := ""
	if len(body) > 0 {
		sum := sha256.Sum256(body[:min(len(body), 131072)])
		hash = base64.StdEncoding.EncodeToString(sum[:])
	}
	data := fmt.Sprintf("%s\thttp\t%s\t%s\t\t%s\t%s", r.Method, r.Host, r.RequestURI, hash, m[1])
	if !hmac.Equal([]byte(m[6]), []byte(sign(sign(clientSecret, m[4]), data))) {
		return "The signature does not match"
	}
	return ""
}

func sign(key, data string) string {
	h := hmac.New(sha256.New, []byte(key))
	io.WriteString(h, data)
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func answer(w http.ResponseWriter, status int, title, detail string) {
	if status != http.StatusCreated {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"httpStatus": status, "title": title, "detail": detail, "supportId": "17PY-1"})
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Ratelimit-Remaining", "99")
	w.Header().Set("X-Ratelimit-Remaining-Objects", fmt.Sprint(s.Tokens))
	answer(w, http.StatusCreated, "", "Request accepted")
}

func (s *Server) purge(w http.ResponseWriter, r *http.Request) {
	p := Purge{Method: r.PathValue("method"), Kind: r.PathValue("kind"), Network: r.PathValue("network")}
	body, _ := io.ReadAll(r.Body)
	if len(body) > maxBody {
		answer(w, http.StatusRequestEntityTooLarge, "Request entity too large", "")
		return
	}
	var request struct{ Objects []json.RawMessage }
	if err := json.Unmarshal(body, &request); err != nil || len(request.Objects) == 0 {
		answer(w, http.StatusBadRequest, "bad request", "no objects")
		return
	}
	if len(request.Objects) > s.Tokens {
		answer(w, http.StatusTooManyRequests, "URL Rate Limit exceeded", "")
		return
	}
	var purges []Purge
	for _, raw := range request.Objects {
		if p.Object = objectOf(p.Kind, raw); p.Object == "" {
			answer(w, http.StatusBadRequest, "bad object", "Invalid or malformed object "+string(raw))
			return
		}
		if status := s.refusal(p.Object); status != 0 {
			detail := "Invalid or malformed URL '" + p.Object + "'"
			if s.Quiet {
				detail = "something in it"
			}
			answer(w, status, "bad URL", detail)
			return
		}
		purges = append(purges, p)
	}
	s.Tokens -= len(purges)
	s.purged = append(s.purged, purges...)
	answer(w, http.StatusCreated, "", "Request accepted")
}

func (s *Server) refusal(object string) int {
	switch {
	case s.Refuse != nil && s.Refuse(object):
		return http.StatusBadRequest
	case s.Forbid != nil && s.Forbid(object):
		return http.StatusForbidden
	}
	return 0
}

var tag = regexp.MustCompile("^[0-9A-Za-z&'^$!`#%+./~_|-]{1,128}$")

// objectOf returns an object that is valid for its kind, else "".
func objectOf(kind string, raw json.RawMessage) string {
	var text string
	isText := json.Unmarshal(raw, &text) == nil
	switch kind {
	case "url":
		u, err := url.Parse(text)
		ascii := !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
		if err == nil && ascii && u.Scheme == "https" && u.Host != "" {
			return text
		}
	case "tag":
		if tag.MatchString(text) {
			return text
		}
	case "cpcode":
		if !isText {
			return string(raw)
		}
	}
	return ""
}
