package observe

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/metadata"
)

// TestSpans: a request's span is the child of the caller's and the parent of
// those of the row and the body.
func TestSpans(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	tracer := NewTracer(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)))
	services := Services{Tracer: tracer}
	store := services.Backend(backendtest.NewMemory("memory"))
	h := &Handler{Tracer: tracer, Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		services.Database(r.Context(), "get", time.Second, nil)
		_, err := store.Open(r.Context(), "var/a", 0, -1)
		if err == nil {
			t.Error("a body")
		}
		services.Database(r.Context(), "get", time.Second, &metadata.Error{Kind: metadata.ErrUnavailable})
		w.WriteHeader(http.StatusServiceUnavailable)
	})}
	r := httptest.NewRequest("GET", "/var/a", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	h.ServeHTTP(httptest.NewRecorder(), r)

	spans := exporter.GetSpans()
	if len(spans) != 4 {
		t.Fatalf("%d spans", len(spans))
	}
	request := spans[3]
	if request.Name != "GET" || request.Parent.SpanID().String() != "b7ad6b7169203331" || request.Status.Code != codes.Error {
		t.Errorf("request: %q under %s, %v", request.Name, request.Parent.SpanID(), request.Status)
	}
	attributes := attribute.NewSet(request.Attributes...)
	for _, want := range []attribute.KeyValue{
		attribute.String("url.path", "/var/a"), attribute.Int("http.response.status_code", 503),
	} {
		if got, ok := attributes.Value(want.Key); !ok || got != want.Value {
			t.Errorf("%s is %v", want.Key, got.String())
		}
	}
	for i, want := range []struct {
		name string
		code codes.Code
	}{{"database get", codes.Unset}, {"memory open", codes.Unset}, {"database get", codes.Error}} {
		span := spans[i]
		if span.Name != want.name || span.Status.Code != want.code || span.Parent.SpanID() != request.SpanContext.SpanID() {
			t.Errorf("%q, %v, under %s", span.Name, span.Status, span.Parent.SpanID())
		}
	}
	if took := spans[0].EndTime.Sub(spans[0].StartTime); took != time.Second {
		t.Errorf("the row took %v", took)
	}
}

// TestOutsideRequests: what nobody traces makes no spans of its own.
func TestOutsideRequests(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	s := Services{Tracer: NewTracer(sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)))}
	s.Database(t.Context(), "ping", time.Second, nil)
	if n := len(exporter.GetSpans()); n != 0 {
		t.Errorf("%d spans", n)
	}
}

// TestFromEnvironment sends a span to a collector.
func TestFromEnvironment(t *testing.T) {
	var posted atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); r.URL.Path != "/v1/traces" || len(body) == 0 || err != nil {
			t.Errorf("%s: %d bytes, %v", r.URL.Path, len(body), err)
		}
		posted.Add(1)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_SERVICE_NAME", "test")
	getenv := func(name string) (string, bool) {
		if name == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return collector.URL, true
		}
		return "", false
	}
	tracer, err := TracerFromEnvironment(t.Context(), getenv)
	if err != nil || tracer == nil {
		t.Fatal(tracer, err)
	}
	h := &Handler{Tracer: tracer, Next: http.NotFoundHandler()}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if err := tracer.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if posted.Load() != 1 {
		t.Errorf("%d posts", posted.Load())
	}
}

func TestNoTracer(t *testing.T) {
	for name, test := range map[string]struct {
		vars map[string]string
		bad  bool
	}{
		"nothing":  {nil, false},
		"none":     {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, false},
		"disabled": {map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, false},
		"unknown":  {map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			tracer, err := TracerFromEnvironment(t.Context(), func(name string) (string, bool) {
				value, ok := test.vars[name]
				return value, ok
			})
			if tracer != nil || (err != nil) != test.bad {
				t.Errorf("%v, %v", tracer, err)
			}
			if err := tracer.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNothingIsFree: what is not configured neither fails nor counts.
func TestNothingIsFree(t *testing.T) {
	s := Services{}
	if n := testing.AllocsPerRun(100, func() { s.Database(t.Context(), "get", 1, nil) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	b := s.Backend(backendtest.NewMemory("memory"))
	if _, err := b.Stat(t.Context(), "var/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
}
