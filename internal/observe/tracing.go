package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"example.com/ezdfs/internal/accesslog"
)

// Tracer makes spans of requests and of what the database and the stores are
// asked for them. A nil *Tracer makes none.
type Tracer struct {
	tracer   trace.Tracer
	context  propagation.TraceContext
	shutdown func(context.Context) error
}

// scope is what made the spans.
const scope = "example.com/ezdfs"

// NewTracer returns a tracer that hands its spans to provider.
func NewTracer(provider trace.TracerProvider) *Tracer {
	return &Tracer{tracer: provider.Tracer(scope), shutdown: func(context.Context) error { return nil }}
}

// TracerFromEnvironment returns the tracer that the variables of OpenTelemetry
// ask for, nil where they ask for none: OTEL_TRACES_EXPORTER (otlp, or none),
// which may be left out where OTEL_EXPORTER_OTLP_ENDPOINT or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set. The exporter (OTLP over HTTP) and
// the SDK read the others themselves: OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER
// and so on. The caller shuts it down.
func TracerFromEnvironment(ctx context.Context, getenv func(string) (string, bool)) (*Tracer, error) {
	get := func(name string) string {
		value, _ := getenv(name)
		return value
	}
	endpoint := cmp.Or(get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), get("OTEL_EXPORTER_OTLP_ENDPOINT"))
	switch exporter := get("OTEL_TRACES_EXPORTER"); {
	case get("OTEL_SDK_DISABLED") == "true", exporter == "none", exporter == "" && endpoint == "":
		return nil, nil
	case exporter != "" && exporter != "otlp":
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not supported; use otlp or none", exporter)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTLP exporter: %w", err)
	}
	described, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "ezdfs")),
		resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithHost())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, errors.Join(fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err), exporter.Shutdown(ctx))
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described))
	t := NewTracer(provider)
	t.shutdown = provider.Shutdown
	return t, nil
}

// Shutdown sends what is left.
func (t *Tracer) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.shutdown(ctx)
}

// start begins the span of a request, as a child of the caller's. end, nil
// where there is none, ends it.
func (t *Tracer) start(r *http.Request, e *accesslog.Entry) (*http.Request, func(*accesslog.Entry)) {
	if t == nil {
		return r, nil
	}
	ctx := t.context.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, methodLabel(r.Method), trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(e.Begin))
	if span.IsRecording() {
		span.SetAttributes(attribute.String("http.request.method", methodLabel(r.Method)),
			attribute.String("url.path", r.URL.Path), attribute.String("client.address", e.Client.String()),
			attribute.String("user_agent.original", r.UserAgent()),
			attribute.String("http.request.id", e.RequestID), attribute.String("ezdfs.backend", e.Backend))
	}
	return r.WithContext(ctx), func(e *accesslog.Entry) { endRequest(span, e) }
}

func endRequest(span trace.Span, e *accesslog.Entry) {
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("http.response.status_code", e.Status),
			attribute.Int64("http.response.body.size", e.Bytes))
		switch {
		case e.Status >= http.StatusInternalServerError:
			span.SetStatus(codes.Error, "")
		case e.Aborted:
			span.SetStatus(codes.Error, "the answer broke off")
		}
	}
	span.End()
}

// operation adds the span of an operation that has just ended, inside a span
// that is recorded.
func (t *Tracer) operation(ctx context.Context, service, op string, took time.Duration, err error) {
	if t == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	end := time.Now()
	_, span := t.tracer.Start(ctx, service+" "+op, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(end.Add(-took)),
		trace.WithAttributes(attribute.String("ezdfs.service", service), attribute.String("ezdfs.operation", op)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End(trace.WithTimestamp(end))
}
