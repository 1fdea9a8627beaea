// Package cloudflare stands in for the purging API of Cloudflare
// (developers.cloudflare.com/api, "Purge Cached Content"): it takes the same
// requests, asks for the token, and enforces the limits of a plan
// (developers.cloudflare.com/cache/how-to/purge-cache, "Availability and
// limits").
package cloudflare

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Server is one zone. It is an http.Handler.
type Server struct {
	ZoneID, Token string
	// Hosts are those of the zone; URLs of others are refused.
	Hosts []string
	// MaxFiles and MaxFamilies bound one request.
	MaxFiles, MaxFamilies int
	// Tokens is what is left in the bucket of requests by tag, prefix and host;
	// negative for no limit.
	Tokens int
	// RetryAfter is when there will be more, in seconds.
	RetryAfter int
	// Refuses is a part of URLs that it finds invalid, "" for none.
	Refuses string
	// Fails makes it answer 200 and success: false.
	Fails bool

	mu     sync.Mutex
	purged map[string]int // "files https://…", "tags p-…", "purge_everything"
	calls  []Call
}

// Call is a request that was taken.
type Call struct {
	By      string
	Objects int
}

// New returns a zone of a free plan, with a bucket that is never empty.
func New(zoneID, token string, hosts ...string) *Server {
	return &Server{ZoneID: zoneID, Token: token, Hosts: hosts, MaxFiles: 100, MaxFamilies: 100, Tokens: -1, purged: map[string]int{}}
}

// Purged reports whether an object was purged: by "files", "tags", "prefixes",
// "hosts", or "purge_everything".
func (s *Server) Purged(by, object string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.purged[by+" "+object] > 0
}

// Calls lists the requests that were taken.
func (s *Server) Calls() []Call { s.mu.Lock(); defer s.mu.Unlock(); return slices.Clone(s.calls) }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body map[string]json.RawMessage
	switch {
	case r.Header.Get("Authorization") != "Bearer "+s.Token:
		fail(w, http.StatusForbidden, 10000, "Authentication error")
	case r.URL.EscapedPath() != "/client/v4/zones/"+s.ZoneID+"/purge_cache":
		fail(w, http.StatusNotFound, 7003, "Could not route to "+r.URL.EscapedPath()+", perhaps your object identifier is invalid?")
	case r.Method != http.MethodPost:
		fail(w, http.StatusMethodNotAllowed, 10405, "Method not allowed for this authentication scheme")
	case r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(r.Body).Decode(&body) != nil:
		fail(w, http.StatusBadRequest, 6007, "Malformed JSON in request body")
	case s.Fails:
		fail(w, http.StatusOK, 1134, "Unable to purge at this time")
	case len(body) != 1:
		fail(w, http.StatusBadRequest, 1012, `Request must contain one of "purge_everything", "files", "tags", "hosts" or "prefixes"`)
	default:
		for by, value := range body {
			s.purge(w, by, value)
		}
	}
}

func (s *Server) purge(w http.ResponseWriter, by string, value json.RawMessage) {
	var objects []string
	if by == "purge_everything" {
		if string(value) != "true" {
			fail(w, http.StatusBadRequest, 1012, "purge_everything must be true")
			return
		}
		objects = []string{""}
	} else if json.Unmarshal(value, &objects) != nil {
		fail(w, http.StatusBadRequest, 1014, fmt.Sprintf("%q must be an array", by))
		return
	}
	limit := s.MaxFamilies
	if by == "files" {
		limit = s.MaxFiles
	}
	switch bad := s.invalid(by, objects); {
	case len(objects) == 0 || len(objects) > limit:
		fail(w, http.StatusBadRequest, 1094, fmt.Sprintf("%s must have from 1 to %d items", by, limit))
	case bad != "":
		fail(w, http.StatusBadRequest, 1016, fmt.Sprintf("Unable to purge %s, which is an invalid URL or not in this zone.", bad))
	case by != "files" && s.Tokens == 0:
		w.Header().Set("Retry-After", fmt.Sprint(s.RetryAfter))
		fail(w, http.StatusTooManyRequests, 971, "Please wait and consider throttling your request speed")
	default:
		if by != "files" && s.Tokens > 0 {
			s.Tokens--
		}
		s.calls = append(s.calls, Call{by, len(objects)})
		for _, object := range objects {
			s.purged[by+" "+object]++
		}
		json.NewEncoder(w).Encode(map[string]any{"success": true, "errors": []any{}, "messages": []any{}, "result": map[string]string{"id": s.ZoneID}})
	}
}

// invalid returns the first object that is not one of the zone's.
func (s *Server) invalid(by string, objects []string) string {
	for _, object := range objects {
		text := object
		switch by {
		case "tags", "purge_everything":
			if strings.ContainsAny(object, " ,") {
				return object
			}
			continue
		case "prefixes", "hosts":
			text = "https://" + object
		case "files":
		default:
			return by
		}
		u, err := url.Parse(text)
		refused := s.Refuses != "" && strings.Contains(text, s.Refuses)
		odd := refused || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
		if err != nil || odd || u.Scheme != "http" && u.Scheme != "https" || !slices.Contains(s.Hosts, u.Host) {
			return object
		}
	}
	return ""
}

func fail(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{
		"success": false, "errors": []any{map[string]any{"code": code, "message": message}}, "messages": []any{}, "result": nil,
	})
}
