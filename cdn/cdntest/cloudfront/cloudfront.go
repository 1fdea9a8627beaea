// Package cloudfront stands in for the invalidations of Amazon CloudFront (API
// reference, "CreateInvalidation"): it takes the same requests, checks their
// signatures, and enforces the limits and the rules about paths that the
// Developer Guide documents ("Invalidate files").
package cloudfront

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// The limits ("Concurrent invalidation request maximum", "Invalidation paths").
const (
	MaxPaths     = 3000
	MaxWildcards = 15
	MaxLength    = 4000
)

// Server is one distribution. It is an http.Handler.
type Server struct {
	DistributionID string
	// Key and Secret are the credentials that may invalidate; Denied is a key
	// that may not.
	Key, Secret, Denied string
	// Refuses is a part of paths that it finds invalid, "" for none.
	Refuses string

	mu          sync.Mutex
	byReference map[string]string // the paths of each caller reference
	done        []string          // paths and tags whose invalidation was accepted
	paths, wild int               // in progress
	sizes       []int             // of the invalidations that were accepted
}

// New returns a distribution that nothing was invalidated of.
func New(distributionID, key, secret string) *Server {
	return &Server{DistributionID: distributionID, Key: key, Secret: secret, byReference: map[string]string{}}
}

// Finish ends the invalidations in progress.
func (s *Server) Finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths, s.wild = 0, 0
}

// Sizes lists how many paths each invalidation had.
func (s *Server) Sizes() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sizes)
}

// Invalidated reports whether a path, as it stands in a URL, or a tag with its
// # was invalidated, by itself or by a wildcard.
func (s *Server) Invalidated(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.done, func(done string) bool {
		return done == path || isWildcard(done) && strings.HasPrefix(path, strings.TrimSuffix(done, "*"))
	})
}

// isWildcard: tags may end with an asterisk, which means nothing.
func isWildcard(item string) bool {
	return strings.HasPrefix(item, "/") && strings.HasSuffix(item, "*")
}

type request struct {
	XMLName         xml.Name `xml:"InvalidationBatch"`
	CallerReference string
	Paths           struct {
		Items    []string `xml:"Items>Path"`
		Quantity int
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, code := s.authenticate(r)
	var batch request
	switch {
	case code != "":
		fail(w, http.StatusForbidden, code, "The request is not one of this account's.")
	case r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, "/2020-05-31/distribution/"):
		fail(w, http.StatusNotFound, "InvalidAction", "There is no such action.")
	case r.URL.Path != "/2020-05-31/distribution/"+s.DistributionID+"/invalidation":
		fail(w, http.StatusNotFound, "NoSuchDistribution", "The specified distribution does not exist.")
	case xml.Unmarshal(body, &batch) != nil:
		fail(w, http.StatusBadRequest, "MalformedInput", "Unexpected content.")
	default:
		s.create(w, batch)
	}
}

// create makes an invalidation.
func (s *Server) create(w http.ResponseWriter, batch request) {
	items := batch.Paths.Items
	wild := 0
	for _, item := range items {
		if isWildcard(item) {
			wild++
		}
	}
	joined := strings.Join(items, "\n")
	switch known, ok := s.byReference[batch.CallerReference]; {
	case batch.CallerReference == "" || len(items) == 0 || slices.ContainsFunc(items, s.invalid):
		fail(w, http.StatusBadRequest, "InvalidArgument", "Your request contains one or more invalid invalidation paths.")
	case batch.Paths.Quantity != len(items):
		fail(w, http.StatusBadRequest, "InconsistentQuantities", "The value of Quantity and the size of Items don't match.")
	case ok && known != joined:
		fail(w, http.StatusBadRequest, "InvalidationBatchAlreadyExists", "The caller reference was used with other paths.")
	case ok:
		s.accepted(w, batch)
	case len(items) > MaxPaths:
		fail(w, http.StatusRequestEntityTooLarge, "BatchTooLarge", "Invalidation batch specified is too large.")
	case s.paths+len(items)-wild > MaxPaths || s.wild+wild > MaxWildcards:
		fail(w, http.StatusBadRequest, "TooManyInvalidationsInProgress",
			"You have exceeded the maximum number of allowable InProgress invalidation batch requests, or invalidation objects.")
	default:
		s.paths, s.wild = s.paths+len(items)-wild, s.wild+wild
		s.byReference[batch.CallerReference] = joined
		s.done = append(s.done, items...)
		s.sizes = append(s.sizes, len(items))
		s.accepted(w, batch)
	}
}

// valid is a path in which exactly what is not ASCII or unsafe is encoded, and
// an asterisk stands at the end alone; tag is a tag.
var (
	valid = regexp.MustCompile(`^/([0-9A-Za-z$_.+!'(),;/:@=&-]|%([01][0-9A-F]|2[0235]|3[CEF]|5[BCDE]|60|7[B-F]|[89A-F][0-9A-F]))*\*?$`)
	tag   = regexp.MustCompile(`^#[!-+--~]{1,256}$`)
)

func (s *Server) invalid(item string) bool {
	refused := s.Refuses != "" && strings.Contains(item, s.Refuses)
	return refused || len(item) > MaxLength || !valid.MatchString(item) && !tag.MatchString(item)
}

func (s *Server) accepted(w http.ResponseWriter, batch request) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `<Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Id>I%d</Id><Status>InProgress</Status>`+
		`<CreateTime>2026-11-21T06:00:00.000Z</CreateTime></Invalidation>`, len(s.byReference))
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Error><Type>Sender</Type>`+
		`<Code>%s</Code><Message>%s</Message></Error><RequestId>b25f48e8</RequestId></ErrorResponse>`, code, message)
}
