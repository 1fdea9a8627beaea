// Package fastly stands in for the purging API of Fastly
// (fastly.com/documentation/reference/api/purging): it takes the same requests,
// asks for the token, and refuses what the API refuses.
package fastly

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// MaxKeys is how many keys one request may purge ("Purge multiple surrogate
// key tags").
const MaxKeys = 256

// Server is one service. It is an http.Handler.
type Server struct {
	ServiceID, Token string
	// Budget is how many purges are left in this hour; negative for no limit.
	Budget int
	// Reset is when the hour ends.
	Reset time.Time
	// Forgets makes it overlook every second key of a request.
	Forgets bool

	mu   sync.Mutex
	keys map[string]string // "soft" or "hard", by key
	urls map[string]string // by host and path
	all  int
	log  []int // keys of each request
}

// New returns a service without limits.
func New(serviceID, token string) *Server {
	return &Server{ServiceID: serviceID, Token: token, Budget: -1, keys: map[string]string{}, urls: map[string]string{}}
}

// Key returns how a key was purged last: "soft", "hard" or "".
func (s *Server) Key(key string) string { s.mu.Lock(); defer s.mu.Unlock(); return s.keys[key] }

// URL returns how a URL, without its scheme, was purged last.
func (s *Server) URL(url string) string { s.mu.Lock(); defer s.mu.Unlock(); return s.urls[url] }

// All counts the purges of everything.
func (s *Server) All() int { s.mu.Lock(); defer s.mu.Unlock(); return s.all }

// Batches lists how many keys each request had that was taken.
func (s *Server) Batches() []int { s.mu.Lock(); defer s.mu.Unlock(); return s.log }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "hard"
	if r.Header.Get("Fastly-Soft-Purge") == "1" {
		kind = "soft"
	}
	service := "/service/" + s.ServiceID
	switch path := r.URL.EscapedPath(); {
	case r.Header.Get("Fastly-Key") != s.Token:
		fail(w, http.StatusUnauthorized, "Provided credentials are missing or invalid", "")
	case r.Method != http.MethodPost:
		fail(w, http.StatusMethodNotAllowed, "Method not allowed", "")
	case strings.HasPrefix(path, "/purge/"):
		s.purgeURL(w, strings.TrimPrefix(path, "/purge/"), kind)
	case path == service+"/purge_all":
		s.purgeAll(w, kind)
	case path == service+"/purge":
		s.purgeKeys(w, r, kind)
	case strings.HasPrefix(path, service+"/purge/"):
		s.take(w, 1, func() { s.keys[strings.TrimPrefix(path, service+"/purge/")] = kind })
	default:
		fail(w, http.StatusNotFound, "Record not found", "Cannot load service")
	}
}

func (s *Server) purgeURL(w http.ResponseWriter, url, kind string) {
	if host, _, ok := strings.Cut(url, "/"); !ok || !strings.Contains(host, ".") {
		fail(w, http.StatusBadRequest, "Bad request", "not a URL")
		return
	}
	s.take(w, 1, func() { s.urls[url] = kind })
}

func (s *Server) purgeAll(w http.ResponseWriter, kind string) {
	if kind == "soft" {
		fail(w, http.StatusBadRequest, "Bad request", "purge all cannot be soft")
		return
	}
	s.take(w, 1, func() { s.all++ })
}

func (s *Server) purgeKeys(w http.ResponseWriter, r *http.Request, kind string) {
	var body struct {
		Keys []string `json:"surrogate_keys"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	switch {
	case err != nil || r.Header.Get("Content-Type") != "application/json":
		fail(w, http.StatusBadRequest, "Bad request", "malformed JSON")
		return
	case len(body.Keys) == 0 || len(body.Keys) > MaxKeys:
		fail(w, http.StatusBadRequest, "Bad request", fmt.Sprintf("from 1 to %d keys, not %d", MaxKeys, len(body.Keys)))
		return
	case s.spend(w, len(body.Keys)):
		return
	}
	s.log = append(s.log, len(body.Keys))
	answer := map[string]string{}
	for i, key := range body.Keys {
		if s.Forgets && i%2 == 1 {
			continue
		}
		s.keys[key] = kind
		answer[key] = fmt.Sprintf("108-%d-%d", len(s.log), i)
	}
	json.NewEncoder(w).Encode(answer)
}

// take does what a request asks for, if that many purges are left.
func (s *Server) take(w http.ResponseWriter, purges int, do func()) {
	if !s.spend(w, purges) {
		do()
		json.NewEncoder(w).Encode(map[string]string{"status": "ok", "id": "108-1"})
	}
}

// spend takes purges from the budget, and reports whether it refused to.
func (s *Server) spend(w http.ResponseWriter, purges int) bool {
	if s.Budget < 0 {
		return false
	}
	if purges > s.Budget {
		w.Header().Set("Fastly-RateLimit-Remaining", "0")
		w.Header().Set("Fastly-RateLimit-Reset", strconv.FormatInt(s.Reset.Unix(), 10))
		fail(w, http.StatusTooManyRequests, "Too many requests", "You have exceeded your hourly rate limit")
		return true
	}
	s.Budget -= purges
	return false
}

func fail(w http.ResponseWriter, status int, msg, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"msg": msg, "detail": detail})
}
