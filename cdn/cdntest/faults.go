package cdntest

import (
	"io"
	"net/http"
	"strings"
	"sync"
)

// Fault is what is wrong with a service.
type Fault string

// The faults.
const (
	None       Fault = ""
	Throttle   Fault = "throttles"             // 429, Retry-After: 7
	Down       Fault = "is down"               // 503
	Forbid     Fault = "forbids it"            // 403
	Hang       Fault = "hangs"                 // no answer until the client gives up
	Disconnect Fault = "closes the connection" // in the middle of the answer
	Garbage    Fault = "answers with garbage"  // 200, a page of something else
)

// RetryAfter is what a service that throttles asks for, in seconds.
const RetryAfter = 7

// Faults stands before a stand-in and makes it fail on demand. What it answers
// then repeats the request's headers, as careless services do, so that a test
// sees whether a target shows them.
type Faults struct {
	next http.Handler

	mu    sync.Mutex
	fault Fault
	left  int // requests that fail; -1 for all
	calls int
	hook  func()
}

// NewFaults returns a handler that passes requests on to next.
func NewFaults(next http.Handler) *Faults { return &Faults{next: next, left: -1} }

// Set makes all requests fail from now on, or none.
func (f *Faults) Set(fault Fault) { f.SetFor(-1, fault) }

// SetFor makes the next n requests fail.
func (f *Faults) SetFor(n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.left = fault, n
}

// OnCall has hook called whenever a request arrives.
func (f *Faults) OnCall(hook func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// Calls counts the requests that came so far.
func (f *Faults) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// take counts a request and says how it is to fail.
func (f *Faults) take() Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.hook != nil {
		f.hook()
	}
	if f.left == 0 {
		return None
	}
	if f.left > 0 {
		f.left--
	}
	return f.fault
}

// ServeHTTP implements http.Handler.
func (f *Faults) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := f.take()
	if fault == None {
		f.next.ServeHTTP(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body) // all of it: only then is a client's end noticed
	var echo strings.Builder
	r.Header.Write(&echo)
	switch fault {
	case Throttle:
		w.Header().Set("Retry-After", "7")
		http.Error(w, echo.String(), http.StatusTooManyRequests)
	case Down:
		http.Error(w, echo.String(), http.StatusServiceUnavailable)
	case Forbid:
		http.Error(w, echo.String(), http.StatusForbidden)
	case Hang:
		<-r.Context().Done()
	case Disconnect:
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, "{")
		panic(http.ErrAbortHandler)
	case Garbage:
		io.WriteString(w, "<html>"+echo.String()+string(body))
	}
}
