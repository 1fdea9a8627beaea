package binlog

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// link is a network between a client and a server that can fail.
type link struct {
	listener net.Listener
	socket   string
	all      sync.WaitGroup

	mu    sync.Mutex
	thaw  chan struct{} // closed while bytes pass
	conns []net.Conn
}

func newLink(t *testing.T, socket string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, socket: socket, thaw: make(chan struct{})}
	close(l.thaw)
	l.all.Go(l.accept)
	t.Cleanup(func() {
		listener.Close()
		l.cut()
		l.all.Wait()
	})
	return l
}

func (l *link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", l.socket)
		if err != nil {
			client.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, client, server)
		l.mu.Unlock()
		l.all.Go(func() { l.pass(client, server) })
		l.all.Go(func() { l.pass(server, client) })
	}
}

func (l *link) pass(to io.WriteCloser, from io.ReadCloser) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		l.mu.Lock()
		thaw := l.thaw
		l.mu.Unlock()
		<-thaw
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// freeze lets nothing pass, as when a cable is pulled, until the link is cut.
func (l *link) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.thaw = make(chan struct{})
}

// cut breaks all connections and thaws.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
	select {
	case <-l.thaw:
	default:
		close(l.thaw)
	}
}

// TestNetwork: connections that break, and ones that only fall silent, lose
// nothing.
func TestNetwork(t *testing.T) {
	s := newSite(t, db)
	l := newLink(t, db.Socket())
	config := s.config
	config.Socket, config.Host, config.Port = "", "127.0.0.1", l.listener.Addr().(*net.TCPAddr).Port
	source := (&site{config: config}).open(t)
	source.heartbeat, source.patience = 50*time.Millisecond, 500*time.Millisecond
	f := follow(t, source, head(t, source))
	s.put(t, "a", "", 1)
	f.want(t, "store a")
	l.cut()
	s.put(t, "b", "", 1)
	f.want(t, "store b")

	l.freeze()
	s.put(t, "c", "", 1)
	before := l.count()
	noticed := make(chan struct{})
	go func() { // a new connection comes only when the silent one is given up
		defer close(noticed)
		for l.count() == before {
			time.Sleep(time.Millisecond)
		}
		l.cut()
	}()
	f.want(t, "store c")
	<-noticed
	f.end(t)
}

func (l *link) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// TestSilentEnd: a follower whose server has fallen silent ends at once with
// its context.
func TestSilentEnd(t *testing.T) {
	s := newSite(t, db)
	l := newLink(t, db.Socket())
	config := s.config
	config.Socket, config.Host, config.Port = "", "127.0.0.1", l.listener.Addr().(*net.TCPAddr).Port
	source := (&site{config: config}).open(t)
	f := follow(t, source, head(t, source))
	s.put(t, "a", "", 1)
	f.want(t, "store a")
	l.freeze()
	f.end(t)
}
