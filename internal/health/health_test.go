package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/internal/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func up(context.Context) error   { return nil }
func down(context.Context) error { return errors.New("gone") }

func get(t *testing.T, h http.Handler) (int, health.Report) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	var report health.Report
	if err := json.Unmarshal(w.Body.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	return w.Code, report
}

func TestReady(t *testing.T) {
	for name, test := range map[string]struct {
		list   []health.Check
		code   int
		status health.Status
	}{
		"all up":        {[]health.Check{{Name: "db", Vital: true, Ping: up}, {Name: "s3", Ping: up}}, 200, health.OK},
		"a store down":  {[]health.Check{{Name: "db", Vital: true, Ping: up}, {Name: "s3", Ping: down}}, 200, health.Degraded},
		"database down": {[]health.Check{{Name: "db", Vital: true, Ping: down}, {Name: "s3", Ping: up}}, 503, health.Down},
		"both down":     {[]health.Check{{Name: "s3", Ping: down}, {Name: "db", Vital: true, Ping: down}}, 503, health.Down},
		"copies":        {[]health.Check{{Name: "db", Vital: true, Grace: time.Hour, Ping: down}}, 200, health.Degraded},
	} {
		t.Run(name, func(t *testing.T) {
			code, report := get(t, &health.Checks{List: test.list})
			if code != test.code || report.Status != test.status {
				t.Errorf("%d, %+v", code, report)
			}
			for _, check := range test.list {
				c := report.Components[check.Name]
				if bad := check.Ping(t.Context()) != nil; bad != (c.Status == health.Down) || bad != (c.Error == "gone") {
					t.Errorf("%s: %+v", check.Name, c)
				}
			}
		})
	}
}

// TestGrace: without its database a gateway is ready until its copies are too
// old, counted anew for each outage.
func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		h := &health.Checks{List: []health.Check{{Name: "db", Vital: true, Grace: time.Minute, Ping: func(context.Context) error {
			if broken.Load() {
				return errors.New("gone")
			}
			return nil
		}}}}
		for _, step := range []struct {
			broken bool
			wait   time.Duration
			want   health.Status
		}{
			{false, 0, health.OK},
			{true, 2 * time.Second, health.Degraded},
			{true, 58 * time.Second, health.Degraded},
			{true, 3 * time.Second, health.Down},
			{false, 2 * time.Second, health.OK},
			{true, 2 * time.Second, health.Degraded},
		} {
			broken.Store(step.broken)
			time.Sleep(step.wait)
			if _, report := get(t, h); report.Status != step.want {
				t.Errorf("%+v: %s", step, report.Status)
			}
		}
	})
}

func TestDraining(t *testing.T) {
	h := &health.Checks{Draining: func() bool { return true }, List: []health.Check{{Name: "db", Ping: func(context.Context) error {
		t.Error("the database was asked")
		return nil
	}}}}
	if code, report := get(t, h); code != 503 || report.Status != health.Draining {
		t.Errorf("%d, %+v", code, report)
	}
}

// TestTimeout: a component that does not answer is down.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &health.Checks{List: []health.Check{{Name: "nfs", Ping: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}}}
		begin := time.Now()
		if _, report := get(t, h); report.Status != health.Degraded || time.Since(begin) != 2*time.Second {
			t.Errorf("%+v after %v", report, time.Since(begin))
		}
	})
}

// TestKeep: many who ask at once, or soon after, make one question.
// TestHang: a component that does not even heed its context holds up nobody, is
// asked by one at a time, and is back when it answers.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var asked atomic.Int64
		h := &health.Checks{List: []health.Check{{Name: "db", Vital: true, Ping: up}, {Name: "nfs", Ping: func(context.Context) error {
			asked.Add(1)
			<-release
			return nil
		}}}}
		for range 3 {
			begin := time.Now()
			code, report := get(t, h)
			if code != 200 || report.Status != health.Degraded || report.Components["nfs"].Error != "no answer" || time.Since(begin) > 2*time.Second {
				t.Errorf("%d %+v after %v", code, report, time.Since(begin))
			}
			time.Sleep(time.Second)
		}
		close(release)
		time.Sleep(2 * time.Second)
		if code, report := get(t, h); code != 200 || report.Status != health.OK || asked.Load() != 2 {
			t.Errorf("%d %+v, asked %d times", code, report, asked.Load())
		}
	})
}

func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		h := &health.Checks{List: []health.Check{{Name: "db", Ping: func(context.Context) error {
			asked.Add(1)
			return nil
		}}}}
		var probes sync.WaitGroup
		for range 10 {
			probes.Go(func() { get(t, h) })
		}
		probes.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(time.Second)
		get(t, h)
		if n := asked.Load(); n != 2 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestProbeLeaves: that a load balancer hangs up makes nothing look down.
func TestProbeLeaves(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := &health.Checks{List: []health.Check{{Name: "db", Vital: true, Ping: context.Context.Err}}}
	if report := h.Report(ctx); report.Status != health.OK {
		t.Errorf("%+v", report)
	}
}

func TestLive(t *testing.T) {
	if code, report := get(t, http.HandlerFunc(health.Live)); code != 200 || report.Status != health.OK {
		t.Errorf("%d, %+v", code, report)
	}
}

func ExampleChecks() {
	checks := &health.Checks{List: []health.Check{
		{Name: "database", Vital: true, Ping: func(context.Context) error { return nil }},
		{Name: "s3", Ping: func(context.Context) error { return errors.New("no route to host") }},
	}}
	report := checks.Report(context.Background())
	fmt.Println(report.Status, report.Components["s3"].Error)
	// Output: degraded no route to host
}
