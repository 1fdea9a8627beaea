package observe

import (
	"io"
	"net/http"
	"time"
)

// recorder notes what is answered. It passes ReadFrom on, by which the kernel
// moves a file to the network.
type recorder struct {
	http.ResponseWriter
	begin  time.Time
	status int           // 0 until the header is written
	first  time.Duration // until then
	bytes  int64         // of the body
	head   bool          // the body stays here
}

var (
	_ http.ResponseWriter = (*recorder)(nil)
	_ io.ReaderFrom       = (*recorder)(nil)
)

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if status >= http.StatusOK { // others announce the answer
		w.start(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) start(status int) {
	if w.status == 0 {
		w.status, w.first = status, time.Since(w.begin)
	}
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(p []byte) (int, error) {
	w.start(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.sent(int64(n))
	return n, err
}

// ReadFrom implements io.ReaderFrom.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	w.start(http.StatusOK)
	n, err := io.Copy(w.ResponseWriter, r) // by its ReadFrom, where it has one
	w.sent(n)
	return n, err
}

func (w *recorder) sent(n int64) {
	if !w.head {
		w.bytes += n
	}
}

// Unwrap lets http.ResponseController find what it wraps.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
