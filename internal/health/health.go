// Package health answers whether the process lives and whether it can do its
// work, for load balancers and service managers.
//
//	h := &health.Checks{List: []health.Check{{Name: "database", Vital: true, Ping: db.Ping}}}
//	mux.HandleFunc("GET /healthz", health.Live)
//	mux.Handle("GET /readyz", h)
package health

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Status is what is said of a component, and of all together.
type Status string

// What can be said.
const (
	OK       Status = "ok"       // of a component, and of all
	Degraded Status = "degraded" // some of it cannot be served
	Down     Status = "down"     // nothing can be served
	Draining Status = "draining" // this process is about to end
)

// Check asks one component. Names differ.
type Check struct {
	Name string
	// Vital says that nothing can be served while the component is down, once
	// that has lasted for Grace: until then there are copies.
	Vital bool
	Grace time.Duration
	Ping  func(context.Context) error
}

// Component is what a check found.
type Component struct {
	Status Status `json:"status"`
	// Error says why it is down.
	Error string `json:"error,omitempty"`
	// Seconds is how long the answer took.
	Seconds float64 `json:"seconds"`
}

// Report is the body of an answer.
type Report struct {
	Status     Status               `json:"status"`
	Components map[string]Component `json:"components,omitempty"`
}

// Checks answers /readyz: 200 while requests are welcome, 503 otherwise, with
// a Report as JSON.
type Checks struct {
	List []Check
	// Draining reports whether the process is about to end; nil for never.
	Draining func() bool
	// Timeout bounds each check, 2 seconds by default. Keep is how long an
	// answer is given again without asking, 1 second by default.
	Timeout, Keep time.Duration

	mu     sync.Mutex
	report Report
	asked  time.Time
	downs  map[string]time.Time // since when a component is down

	waiting sync.Map // name → whether it is still being asked, from before
}

// Live answers /healthz: the process lives.
func Live(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, Report{Status: OK})
}

// ServeHTTP implements http.Handler.
func (c *Checks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.Draining != nil && c.Draining() {
		write(w, http.StatusServiceUnavailable, Report{Status: Draining})
		return
	}
	report := c.Report(r.Context())
	status := http.StatusOK
	if report.Status == Down {
		status = http.StatusServiceUnavailable
	}
	write(w, status, report)
}

// Report asks all components, unless that was just done. Who asks at the same
// time gets the same answer.
func (c *Checks) Report(ctx context.Context) Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	keep := c.Keep
	if keep == 0 {
		keep = time.Second
	}
	if c.asked.IsZero() || time.Since(c.asked) >= keep {
		c.report = c.ask(context.WithoutCancel(ctx)) // others wait for it too
		c.asked = time.Now()
	}
	return c.report
}

func (c *Checks) ask(ctx context.Context) Report {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = 2 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	components := make([]Component, len(c.List))
	var asking sync.WaitGroup
	for i, check := range c.List {
		asking.Go(func() { components[i] = c.askOne(ctx, check) })
	}
	asking.Wait()
	report := Report{Status: OK, Components: map[string]Component{}}
	for i, check := range c.List {
		report.Components[check.Name] = components[i]
		down := c.down(check.Name, components[i].Status)
		switch {
		case components[i].Status == OK:
		case check.Vital && down >= check.Grace:
			report.Status = Down
		case report.Status == OK:
			report.Status = Degraded
		}
	}
	return report
}

// down notes a component's status and returns for how long it has been down.
func (c *Checks) down(name string, status Status) time.Duration {
	if status == OK {
		delete(c.downs, name)
		return 0
	}
	if c.downs == nil {
		c.downs = map[string]time.Time{}
	}
	if _, ok := c.downs[name]; !ok {
		c.downs[name] = time.Now()
	}
	return time.Since(c.downs[name])
}

// errSilent is what is said of a component that does not answer in time.
var errSilent = errors.New("no answer")

// askOne asks a component. One that does not even heed its context, as a
// network mount whose server is gone, is left behind, and not asked again before
// it answers.
func (c *Checks) askOne(ctx context.Context, check Check) Component {
	begin := time.Now()
	err := errSilent
	if _, waiting := c.waiting.LoadOrStore(check.Name, true); !waiting {
		answer := make(chan error, 1)
		go func() {
			err := check.Ping(ctx)
			c.waiting.Delete(check.Name)
			answer <- err
		}()
		select {
		case err = <-answer:
		case <-ctx.Done():
		}
	}
	found := Component{Status: OK, Seconds: time.Since(begin).Seconds()}
	if err != nil {
		found.Status, found.Error = Down, err.Error()
	}
	return found
}

func write(w http.ResponseWriter, status int, report Report) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(report) // who does not read it needs no telling
}
