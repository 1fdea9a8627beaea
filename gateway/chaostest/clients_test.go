package chaostest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// expectation says which statuses each kind of request may get.
type expectation map[string][]int

// marks says whether files by rows that the database told a while ago are
// marked as such.
type marks string

const (
	unmarked marks = ""
	marked   marks = `110 - "Response is Stale"`
)

// answer is what one request got.
type answer struct {
	kind       string
	begun      time.Time
	status     int
	warning    string
	retryAfter string
	err        error // the connection or the body broke
}

// clients ask for all kinds of files again and again.
type clients struct {
	t       *testing.T
	answers chan answer
	cancel  context.CancelFunc
	running sync.WaitGroup
	client  *http.Client
}

// pause is how long a client waits before it asks again.
const pause = 2 * time.Millisecond

// load starts clients, two for each kind.
func (g *running) load(t *testing.T) *clients {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	c := &clients{t: t, answers: make(chan answer), cancel: cancel, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
	t.Cleanup(c.stop)
	requests := map[string]func(n int) *http.Request{
		hot: g.get("nfs/small"), large: g.get("nfs/large"), hotS3: g.get("s3/small"), largeS: g.get("s3/large"),
		ranged: g.get("nfs/large", "Range", "bytes=1000-299999"), asked: g.get("nfs/large", "If-None-Match", g.etag),
		absent: func(n int) *http.Request { return g.get(fmt.Sprintf("nfs/none/%d", n))(0) },
	}
	for kind, request := range requests {
		for first := range 2 {
			c.running.Go(func() {
				for n := first; ctx.Err() == nil; n += 2 {
					select {
					case c.answers <- c.ask(kind, request(n)):
						time.Sleep(pause)
					case <-ctx.Done():
					}
				}
			})
		}
	}
	return c
}

func (g *running) get(name string, header ...string) func(int) *http.Request {
	return func(int) *http.Request {
		r, err := http.NewRequest("GET", g.url+name, nil)
		if err != nil {
			panic(err)
		}
		if len(header) > 0 {
			r.Header.Set(header[0], header[1])
		}
		return r
	}
}

func (c *clients) ask(kind string, r *http.Request) answer {
	a := answer{kind: kind, begun: time.Now()}
	response, err := c.client.Do(r)
	if err != nil {
		a.err = err
		return a
	}
	defer response.Body.Close()
	a.status, a.warning, a.retryAfter = response.StatusCode, response.Header.Get("Warning"), response.Header.Get("Retry-After")
	_, a.err = io.Copy(io.Discard, response.Body)
	return a
}

// stop ends the clients.
func (c *clients) stop() {
	c.cancel()
	c.running.Wait()
	c.client.CloseIdleConnections()
}

// wrong says what is wrong with an answer, "" for nothing.
func (a answer) wrong(want expectation, m marks) string {
	switch {
	case a.err != nil:
		return fmt.Sprintf("%s: %v", a.kind, a.err)
	case !slices.Contains(want[a.kind], a.status):
		return fmt.Sprintf("%s: status %d, want %d", a.kind, a.status, want[a.kind])
	case (a.retryAfter != "") != (a.status == http.StatusServiceUnavailable):
		return fmt.Sprintf("%s: status %d, Retry-After %q", a.kind, a.status, a.retryAfter)
	case a.status < 400 && a.warning != string(m):
		return fmt.Sprintf("%s: Warning %q", a.kind, a.warning)
	}
	return ""
}

// settled is how many answers in a row of each kind have to be right before
// the clients are taken to have noticed.
const settled = 3

// settle waits until all kinds get what is expected; until then they may get
// whatever the outage makes of them.
func (c *clients) settle(phase string, want expectation, m marks) {
	c.t.Helper()
	right, begin, last := map[string]int{}, time.Now(), ""
	deadline := time.After(2 * time.Minute)
	for {
		select {
		case a := <-c.answers:
			if problem := a.wrong(want, m); problem != "" {
				last, right[a.kind] = problem, 0
				continue
			}
			if a.begun.After(begin) {
				right[a.kind]++
			}
		case <-deadline:
			c.t.Fatalf("%s: not as expected after two minutes: %v; at last: %s", phase, right, last)
		}
		if !slices.ContainsFunc([]string{hot, large, hotS3, largeS, ranged, asked, absent}, func(kind string) bool { return right[kind] < settled }) {
			return
		}
	}
}

// enough is how many answers of each kind are looked at in every phase.
const enough = 10

// expect looks at all answers for a while.
func (c *clients) expect(phase string, atLeast time.Duration, want expectation, m marks) {
	c.t.Helper()
	begin, seen := time.Now(), map[string]int{}
	for time.Since(begin) < atLeast || len(seen) < len(want) || slices.ContainsFunc(values(seen), func(n int) bool { return n < enough }) {
		a := <-c.answers
		if a.begun.Before(begin) {
			continue
		}
		if problem := a.wrong(want, m); problem != "" {
			c.t.Errorf("%s: %s", phase, problem)
		}
		seen[a.kind]++
	}
	c.t.Logf("%s: %v", phase, seen)
}

func values(m map[string]int) []int {
	var list []int
	for _, n := range m {
		list = append(list, n)
	}
	return list
}
