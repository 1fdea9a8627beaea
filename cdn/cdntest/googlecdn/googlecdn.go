// Package googlecdn stands in for the Compute Engine API in tests, as far as
// Cloud CDN is concerned: it hands out tokens and wants them, checks path
// patterns, the number of tags and request ids, keeps a quota, and finishes
// operations when they are waited for.
package googlecdn

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/ezdfs/cdn/cdntest"
	"example.com/ezdfs/settings"
)

// Rule is what was invalidated.
type Rule struct {
	Host, Path string
	CacheTags  []string
}

// Server is the stand-in. Set its fields before the first request.
type Server struct {
	*httptest.Server
	// Faults stands before the API, but not before its tokens.
	Faults *cdntest.Faults
	// Quota is how many invalidations are left of the minute.
	Quota int
	// OperationError makes operations fail with this code once they are done.
	OperationError string
	// NeverDone makes operations go on for ever.
	NeverDone bool
	// TokenStatus is what asking for a token answers, 200 by default.
	TokenStatus int

	mu    sync.Mutex
	rules []Rule
	ids   []string
	waits int
}

const token = "token-of-the-test"

// Start starts a stand-in that ends with the test.
func Start(tb testing.TB) *Server {
	s := &Server{Quota: 500, TokenStatus: http.StatusOK}
	api := http.NewServeMux()
	const project = "/compute/v1/projects/my-project/global"
	api.HandleFunc("POST "+project+"/urlMaps/my-map/invalidateCache", s.invalidate)
	api.HandleFunc("GET "+project+"/urlMaps/my-map", s.urlMap)
	api.HandleFunc("POST "+project+"/operations/{name}/wait", s.wait)
	s.Faults = cdntest.NewFaults(s.authorized(api))
	mux := http.NewServeMux()
	mux.Handle("/", s.Faults)
	mux.HandleFunc("POST /token", s.token)
	s.Server = httptest.NewServer(mux)
	tb.Cleanup(s.Close)
	return s
}

// Settings are those of a target that talks to it.
func (s *Server) Settings(tb testing.TB) settings.GoogleCDN {
	return settings.GoogleCDN{Name: "googlecdn:test", Project: "my-project", URLMap: "my-map", Endpoint: s.URL, CredentialsFile: keyFile(tb, s.URL)}
}

// Secrets are what no error may hold.
func (s *Server) Secrets() []string { return []string{token, "PRIVATE KEY"} }

// Rules lists what was invalidated, in order.
func (s *Server) Rules() []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rules)
}

// Waits counts how often operations were waited for.
func (s *Server) Waits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waits
}

// privateKey is one RSA key for all tests; making one takes a while.
var privateKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
})

// keyFile writes the key of a service account whose tokens come from url.
func keyFile(tb testing.TB, url string) string {
	tb.Helper()
	data, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "my-project", "private_key_id": "1", "private_key": string(privateKey()),
		"client_email": "ezdfs@my-project.iam.gserviceaccount.com", "client_id": "1", "token_uri": url + "/token",
	})
	if err != nil {
		tb.Fatal(err)
	}
	name := filepath.Join(tb.TempDir(), "key.json")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(s.TokenStatus)
	if s.TokenStatus != http.StatusOK {
		r.ParseForm()
		fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"bad assertion %s %s"}`, r.Form.Get("assertion"), token)
		return
	}
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, token)
}

func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			io.Copy(io.Discard, r.Body)
			fail(w, http.StatusUnauthorized, "required", "Login Required.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func fail(w http.ResponseWriter, status int, reason, message string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": status, "message": message, "errors": []any{map[string]string{"reason": reason, "domain": "global", "message": message}},
	}})
}

var (
	uuid    = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	pattern = regexp.MustCompile(`^/([^?#*]*/\*|[^?#*]*|\*)$`)
)

func (s *Server) invalidate(w http.ResponseWriter, r *http.Request) {
	var rule Rule
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	id := r.URL.Query().Get("requestId")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch err := decoder.Decode(&rule); {
	case err != nil, rule.Path == "" && len(rule.CacheTags) == 0, !uuid.MatchString(id):
		fail(w, http.StatusBadRequest, "invalid", "Invalid value for the request")
	case rule.Path != "" && (!pattern.MatchString(rule.Path) || strings.ContainsFunc(rule.Path, func(r rune) bool { return r <= ' ' || r > '~' })):
		fail(w, http.StatusBadRequest, "invalid", "Invalid value for field 'resource.path'")
	case len(rule.CacheTags) > 10:
		fail(w, http.StatusBadRequest, "invalid", "Invalid value for field 'resource.cacheTags'")
	case s.Quota == 0:
		fail(w, http.StatusForbidden, "rateLimitExceeded", "Rate Limit Exceeded")
	default:
		s.Quota--
		if !slices.Contains(s.ids, id) { // a request that is known is ignored
			s.ids, s.rules = append(s.ids, id), append(s.rules, rule)
		}
		s.answer(w, "PENDING")
	}
}

func (s *Server) answer(w http.ResponseWriter, status string) {
	op := map[string]any{"kind": "compute#operation", "name": "operation-1", "status": status}
	if s.OperationError != "" && status == "DONE" {
		op["error"] = map[string]any{"errors": []any{map[string]string{"code": s.OperationError, "message": "it failed"}}}
		op["httpErrorStatusCode"] = http.StatusBadRequest
	}
	json.NewEncoder(w).Encode(op)
}

func (s *Server) wait(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits++
	status := "DONE"
	if s.NeverDone || s.waits == 1 { // the first time it is only on its way
		status = "RUNNING"
	}
	s.answer(w, status)
}

func (s *Server) urlMap(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, `{"kind": "compute#urlMap", "name": "my-map"}`)
}
