package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/internal/accesslog"
	"example.com/ezdfs/internal/observe"
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/internal/trusted"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// tcpListener accepts connections that tell what they were to send.
type tcpListener struct {
	*net.TCPListener
	sent chan io.Reader
}

func (l *tcpListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return &tcpConn{c, l.sent}, nil
}

type tcpConn struct {
	*net.TCPConn
	sent chan io.Reader
}

func (c *tcpConn) ReadFrom(r io.Reader) (int64, error) {
	c.sent <- r
	return c.TCPConn.ReadFrom(r)
}

// openSite opens a cluster of one NFS tree with one file in it.
func openSite(t *testing.T, services observe.Services, size int64) (*cluster.Cluster, settings.Settings) {
	t.Helper()
	root := t.TempDir()
	err := errors.Join(os.MkdirAll(filepath.Join(root, "mnt"), 0o777), os.Mkdir(filepath.Join(root, "settings"), 0o777),
		os.WriteFile(filepath.Join(root, "settings/file.ini"), []byte("[eZDFSClusteringSettings]\nMountPointPath=mnt\nDBBackend=SQLite\nDBName=cluster.db\n"), 0o666))
	if err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(settings.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	config.Create = true
	store, err := metadata.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.CreateSchema(t.Context()), store.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Open(t.Context(), s, cluster.WithBackendWrapper(services.Backend), cluster.WithDatabaseObserver(services.Database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Store(t.Context(), "var/storage/a", io.LimitReader(zeros{}, size), cluster.StoreOptions{}); err != nil {
		t.Fatal(err)
	}
	return c, s
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestSendfile sends a file through everything that serve puts together, and
// finds that the connection was given the file itself: then the kernel sends
// it (net.TCPConn.ReadFrom).
func TestSendfile(t *testing.T) {
	const size = 2 << 20
	for name, proxied := range map[string]bool{"plain": false, "PROXY protocol": true} {
		t.Run(name, func(t *testing.T) {
			tracer := observe.NewTracer(sdktrace.NewTracerProvider())
			services := observe.Services{Metrics: observe.NewMetrics(), Tracer: tracer}
			c, s := openSite(t, services, size)
			options, err := gateway.OptionsFrom(s)
			if err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			sent := make(chan io.Reader, 10)
			proxies, err := trusted.Parse([]string{"127.0.0.0/8"})
			if err != nil {
				t.Fatal(err)
			}
			front, err := server.Listen(t.Context(), server.Options{
				Sockets: []net.Listener{&tcpListener{l.(*net.TCPListener), sent}}, Proxies: proxies, ProxyProtocol: proxied,
				MaxConnections: 10, MaxRequests: 10, DrainTimeout: time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			log, err := accesslog.Open("stdout", accesslog.JSON, io.Discard, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			handler := &observe.Handler{
				Next: front.Protect(gateway.New(c, options)), Log: log, Proxies: proxies, Metrics: services.Metrics, Tracer: tracer,
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- front.Serve(ctx, handler, nil) }()
			header := ""
			if proxied {
				header = "PROXY TCP4 192.0.2.7 192.0.2.1 4000 80\r\n"
			}
			request(t, l.Addr().String(), header, "", size)
			request(t, l.Addr().String(), header, "Range: bytes=1000000-1999999\r\n", 1_000_000)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if n := len(sent); n != 2 {
				t.Fatalf("%d bodies were handed to the connection", n)
			}
			for range 2 {
				r := <-sent
				limited, ok := r.(*io.LimitedReader)
				if !ok {
					t.Fatalf("it was given a %T", r)
				}
				if _, ok := limited.R.(*os.File); !ok {
					t.Errorf("it was given a part of a %T", limited.R)
				}
			}
		})
	}
}

// request asks for the file and counts the bytes of the answer.
func request(t *testing.T, address, before, header string, want int64) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "%sGET /var/storage/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n", before, header)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, response.Body); n != want || err != nil {
		t.Errorf("%s: %d bytes, %v", response.Status, n, err)
	}
}

func ExampleListen() {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.Listen(ctx, server.Options{Listen: []string{"127.0.0.1:0"}, DrainTimeout: time.Minute})
	if err != nil {
		panic(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, s.Protect(hello), nil) }()

	c, err := net.Dial("tcp", s.Addresses()[0].String())
	if err != nil {
		panic(err)
	}
	fmt.Fprint(c, "GET / HTTP/1.0\r\n\r\n")
	answer, _ := io.ReadAll(c)
	_, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	cancel()
	fmt.Println(body, <-ended)
	// Output: hello <nil>
}
