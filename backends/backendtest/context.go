package backendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"example.com/ezdfs/backends"
)

var contextTests = []test{
	{"done before the call", func(t *testing.T, h Harness, s store) {
		s.put(t, "there", "x")
		for _, call := range append(pathCalls(s.Backend), targetCalls(s.Backend)...) {
			wantCanceled(t, call.op, call.do(done(t), "there"))
		}
		wantCanceled(t, "ping", s.Ping(done(t)))
		wantCanceled(t, "delete", s.Delete(done(t), []string{"there"}))
		wantCanceled(t, "list", listError(t, s.List(done(t), "", "")))
		s.wantBody(t, "there", "x")
		s.wantNothingStaged(t)
	}},
	{"done before publish", func(t *testing.T, h Harness, s store) {
		s.put(t, "a", "old")
		for _, size := range []int{3, h.LargeBody} {
			staged := s.stage(t, "a", random(21, size), unknown)
			wantCanceled(t, "publish", staged.Publish(done(t)))
			s.wantBody(t, "a", "old")
			if err := staged.Discard(t.Context()); err != nil {
				t.Error(err)
			}
		}
		s.wantNothingStaged(t)
	}},
	{"cancelled while staging", func(t *testing.T, h Harness, s store) {
		for _, size := range []int64{-1, int64(2 * h.LargeBody)} {
			ctx, cancel := context.WithCancel(t.Context())
			body := &cancelling{r: bytes.NewReader(random(22, 2*h.LargeBody)), at: h.LargeBody, cancel: cancel}
			_, err := s.Stage(ctx, "a", body, backends.Attributes{Size: size})
			wantCanceled(t, "stage", err)
			if body.r.Len() == 0 {
				t.Error("Stage read on to the end after its context was cancelled")
			}
		}
		s.wantNothing(t, "a")
	}},
	{"cancelled while reading", func(t *testing.T, h Harness, s store) {
		s.putWith(t, "a", random(23, 2*h.LargeBody), unknown)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r, err := s.Open(ctx, "a", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		cancel()
		// A store whose reads never wait for long may well ignore the context.
		if _, err := io.Copy(io.Discard, r); err != nil {
			wantCanceled(t, "read", err)
		}
	}},
	{"cancelled while listing", func(t *testing.T, h Harness, s store) {
		paths := s.putMany(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n, last := 0, error(nil)
		for _, err := range s.List(ctx, "", "") {
			if last = err; err == nil {
				n++
			}
			cancel()
		}
		if wantCanceled(t, "list", last); n >= len(paths) {
			t.Errorf("all %d bodies were listed after the context was cancelled", n)
		}
	}},
}

// wantCanceled checks that err says the context was cancelled, and nothing
// about the path or the store.
func wantCanceled(t *testing.T, op string, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%s: error %v, want context.Canceled", op, err)
	}
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			t.Errorf("%s: error %v is %v as well", op, err, kind)
		}
	}
	if backends.IsRetryable(err) {
		t.Errorf("%s: error %v calls for a retry", op, err)
	}
}

// cancelling cancels a context when its reader has come to a position.
type cancelling struct {
	r      *bytes.Reader
	at     int
	cancel func()
}

func (c *cancelling) Read(p []byte) (int, error) {
	if int(c.r.Size())-c.r.Len() >= c.at {
		c.cancel()
	}
	return c.r.Read(p[:min(len(p), 32<<10)])
}
