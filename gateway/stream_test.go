package gateway_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/ezdfs/gateway"
)

// watchedListener counts the bytes that connections take straight from files,
// which is where the kernel's sendfile comes in.
type watchedListener struct {
	net.Listener
	fromFiles *atomic.Int64
}

func (l watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{conn.(*net.TCPConn), l.fromFiles}, nil
}

type watchedConn struct {
	*net.TCPConn
	fromFiles *atomic.Int64
}

func (c *watchedConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.TCPConn.ReadFrom(r)
	if limited, ok := r.(*io.LimitedReader); ok {
		if _, ok := limited.R.(*os.File); ok {
			c.fromFiles.Add(n)
		}
	}
	return n, err
}

func TestBodiesOnNFSLeaveBySendfile(t *testing.T) {
	c := newCluster(t, loadSettings(t, ""))
	const size = 1 << 20
	store(t, c, "var/storage/a", strings.Repeat("x", size))
	var fromFiles atomic.Int64
	server := httptest.NewUnstartedServer(gateway.New(c, gateway.Options{}))
	server.Listener = watchedListener{server.Listener, &fromFiles}
	server.Start()
	defer server.Close()
	const sniffed = 512 // net/http takes the first bytes itself
	for ranges, want := range map[string]int64{"": size - sniffed, "bytes=1000-": size - 1000 - sniffed, "bytes=0-99999,500000-599999": 200000 - sniffed} {
		fromFiles.Store(0)
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ranges != "" {
			r.Header.Set("Range", ranges)
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		for deadline := time.Now().Add(time.Minute); fromFiles.Load() < want && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // the last bytes are counted after they arrived
		}
		if got := fromFiles.Load(); got < want {
			t.Errorf("%s: %d bytes came from a file, want %d", ranges, got, want)
		}
	}
	server.Client().CloseIdleConnections()
}

// TestLargeBodyStreams serves 200 MB and looks at what it allocated.
func TestLargeBodyStreams(t *testing.T) {
	const size = 200 << 20
	s := loadSettings(t, "")
	c := newCluster(t, s)
	store(t, c, "var/storage/a", "x")
	if err := os.Truncate(s.DFS.MountPointPath+target, size); err != nil { // a hole; the row lags and is mended
		t.Fatal(err)
	}
	server := serve(t, gateway.New(c, gateway.Options{}))
	var before, after runtime.MemStats
	for _, ranges := range []string{"", "bytes=1-", "bytes=0-99999999,100000000-"} {
		runtime.ReadMemStats(&before)
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ranges != "" {
			r.Header.Set("Range", ranges)
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		runtime.ReadMemStats(&after)
		if err != nil || n < size-1 {
			t.Fatalf("%s: %d bytes, %v", ranges, n, err)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20 {
			t.Errorf("%s: %d bytes were allocated", ranges, allocated)
		}
	}
}

// TestRangesAreSlices asks for random ranges and holds what comes against the
// file.
func TestRangesAreSlices(t *testing.T) {
	c := newCluster(t, loadSettings(t, ""))
	const size = 5000
	body := make([]byte, 0, size)
	for sum := sha256.Sum256(nil); len(body) < size; sum = sha256.Sum256(sum[:]) {
		body = append(body, sum[:]...)
	}
	body = body[:size]
	store(t, c, "var/storage/a", string(body))
	h := gateway.New(c, gateway.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		var specs []string
		for range rapid.IntRange(1, 5).Draw(rt, "count") {
			first := rapid.IntRange(0, size-1).Draw(rt, "first")
			last := rapid.IntRange(first, size+100).Draw(rt, "last")
			specs = append(specs, rapid.SampledFrom([]string{
				fmt.Sprintf("%d-%d", first, last), fmt.Sprintf("%d-", first), fmt.Sprintf("-%d", first+1),
			}).Draw(rt, "spec"))
		}
		w := get(t, h, "GET", target, "Range: bytes="+strings.Join(specs, ","))
		if w.Code != http.StatusPartialContent || w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) {
			rt.Fatalf("%q: %d, %v for %d bytes", specs, w.Code, w.Header(), w.Body.Len())
		}
		covered := 0
		for place, part := range partsOf(rt, w) {
			var first, last, total int
			if _, err := fmt.Sscanf(place, "bytes %d-%d/%d", &first, &last, &total); err != nil || total != size {
				rt.Fatalf("Content-Range: %q", place)
			}
			if !bytes.Equal(part, body[first:last+1]) {
				rt.Fatalf("%q: %s is not what the file has there", specs, place)
			}
			covered += len(part)
		}
		if covered > size {
			rt.Fatalf("%q: %d bytes of %d", specs, covered, size)
		}
	})
}

// partsOf returns the parts of an answer by their Content-Range.
func partsOf(t *rapid.T, w *httptest.ResponseRecorder) map[string][]byte {
	media, params, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if media != "multipart/byteranges" {
		return map[string][]byte{w.Header().Get("Content-Range"): w.Body.Bytes()}
	}
	parts := map[string][]byte{}
	reader := multipart.NewReader(w.Body, params["boundary"])
	for {
		part, err := reader.NextRawPart()
		if err == io.EOF {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		if parts[part.Header.Get("Content-Range")], err = io.ReadAll(part); err != nil {
			t.Fatal(err)
		}
	}
}
