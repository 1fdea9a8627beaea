package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = time.Minute

// running is a server under test.
type running struct {
	*Server
	stop func() error // tells it to end and returns what Serve did
}

func (r *running) address() string { return r.Addresses()[0].String() }

// start serves handler behind Protect until the end of the test.
func start(t *testing.T, o Options, handler http.HandlerFunc) *running {
	t.Helper()
	if len(o.Listen)+len(o.Sockets) == 0 {
		o.Listen = []string{"127.0.0.1:0"}
	}
	s, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, s.Protect(handler), http.NotFoundHandler()) }()
	r := &running{Server: s}
	stopped := false
	r.stop = func() error {
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if !stopped {
			r.stop()
		}
	})
	return r
}

// hello answers requests with a word.
func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

// dial connects and sends text.
func dial(t *testing.T, address, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// answer reads an answer and its body.
func answer(t *testing.T, c net.Conn) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// isTimeout reports whether the test's patience ended, rather than the
// connection.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
