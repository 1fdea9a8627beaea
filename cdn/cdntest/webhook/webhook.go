// Package webhook stands in for a receiver of the webhook target: it believes
// signatures alone, takes a batch once, and may take a part.
package webhook

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/cdn/cdntest"
	"example.com/ezdfs/internal/signed"
	"example.com/ezdfs/settings"
)

// Item is what the receiver was sent of an item.
type Item struct{ ID, Action, Extent, Subject string }

// Result is what it answers of one.
type Result struct {
	ID         string  `json:"id"`
	Status     string  `json:"status"`
	Reason     string  `json:"reason,omitempty"`
	RetryAfter float64 `json:"retry_after,omitempty"`
}

// Server is the stand-in. Set its fields before the first request.
type Server struct {
	*httptest.Server
	// Faults stands before the receiver.
	Faults *cdntest.Faults
	// Judge says what becomes of an item; an empty Status says nothing of it.
	Judge func(Item) Result

	mu     sync.Mutex
	keys   []string
	items  []Item
	bodies []string
}

const secret = "webhook-secret-of-the-test"

// maxItems is what it takes in one request.
const maxItems = 500

// Start starts a receiver that ends with the test.
func Start(tb testing.TB) *Server {
	s := &Server{}
	s.Faults = cdntest.NewFaults(http.HandlerFunc(s.serve))
	s.Server = httptest.NewServer(s.Faults)
	tb.Cleanup(s.Close)
	return s
}

// Settings are those of a target that talks to it.
func (s *Server) Settings() settings.WebhookTarget {
	return settings.WebhookTarget{Name: "webhook:test", URL: s.URL + "/hook?token=query-secret", Secret: secret, Families: true, MaxItems: maxItems}
}

// Secrets are what no error may hold.
func (s *Server) Secrets() []string { return []string{secret, "query-secret"} }

// Items lists what was sent, with repetitions.
func (s *Server) Items() []Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.items)
}

// Keys lists the Idempotency-Keys of the requests, Bodies their bodies.
func (s *Server) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys)
}

// Bodies lists the bodies of the requests.
func (s *Server) Bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if err := signed.Verify(secret, r.Header, body, time.Now(), time.Minute); err != nil {
		http.Error(w, err.Error()+" "+secret, http.StatusForbidden)
		return
	}
	var message struct{ Items []Item }
	if err := json.Unmarshal(body, &message); err != nil || len(message.Items) > maxItems {
		http.Error(w, "what is that?", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, string(body))
	s.keys = append(s.keys, r.Header.Get(signed.IdempotencyHeader))
	s.items = append(s.items, message.Items...)
	if s.Judge == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var answer struct {
		Results []Result `json:"results"`
	}
	for _, item := range message.Items {
		if result := s.Judge(item); result.Status != "" {
			answer.Results = append(answer.Results, result)
		}
	}
	json.NewEncoder(w).Encode(answer)
}
