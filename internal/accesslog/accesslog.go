// Package accesslog writes a line for every request that was answered, as
// Apache's combined format or as JSON:
//
//	log, err := accesslog.Open("/var/log/ezdfs/access.log", accesslog.Combined, os.Stdout)
//	...
//	defer log.Close()
//	log.Write(&accesslog.Entry{Request: r, Client: client, Status: 200, ...})
//
// What clients send is escaped, so that no request writes a line of its own,
// and the signatures of signed URLs are left out: whoever reads the log could
// use them until they expire.
// Lines are buffered for a second at most.
package accesslog

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Format is how a line looks.
type Format string

// The formats.
const (
	Combined Format = "combined" // of Apache
	JSON     Format = "json"     // one document a line
)

// Entry is what is to be told of a request.
type Entry struct {
	Request   *http.Request
	Client    netip.Addr // invalid for the peer of a Unix socket
	Begin     time.Time  // when the header had been read
	FirstByte time.Duration
	Took      time.Duration
	Status    int
	Bytes     int64 // of the body, as far as it was sent
	Backend   string
	RequestID string
	Aborted   bool // the body broke off
}

// flushEvery is how long a line may wait.
const flushEvery = time.Second

const bufferSize = 64 << 10

// Log is an open access log. A nil *Log is one that is off. Its methods may be
// called concurrently.
type Log struct {
	name   string // of the file, "" for an output that was given
	format func([]byte, *Entry) []byte
	stop   chan struct{}
	done   chan struct{}

	mu   sync.Mutex
	out  *bufio.Writer
	to   io.Writer
	file *os.File // to, if that is ours to close
	line []byte
	err  error // the first since the last flush
}

// Stdout is the name that means the output given to Open.
const Stdout = "stdout"

// Open opens the log file name and appends to it; "stdout" writes to stdout
// instead, and "" is a log that is off. The caller closes it.
func Open(name string, format Format, stdout io.Writer) (*Log, error) {
	if name == "" {
		return nil, nil
	}
	l := &Log{format: appendCombined, stop: make(chan struct{}), done: make(chan struct{})}
	if format == JSON {
		l.format = appendJSON
	}
	l.to = stdout
	if name != Stdout {
		file, err := open(name)
		if err != nil {
			return nil, err
		}
		l.name, l.to, l.file = name, file, file
	}
	l.out = bufio.NewWriterSize(l.to, bufferSize)
	go l.flushing()
	return l, nil
}

func open(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

// Write adds a line. Where it cannot be written it is lost.
func (l *Log) Write(e *Entry) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = l.format(l.line[:0], e)
	if len(l.line) > l.out.Available() { // whole lines reach the file together
		l.flush()
	}
	l.out.Write(l.line)
	if cap(l.line) > bufferSize {
		l.line = nil
	}
}

// flush writes what is buffered. What cannot be written, on a full disk, is
// dropped, so that later lines can be.
func (l *Log) flush() {
	if err := l.out.Flush(); err != nil {
		l.err = cmp.Or(l.err, err)
		l.out.Reset(l.to)
	}
}

func (l *Log) flushing() {
	defer close(l.done)
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
			l.mu.Lock()
			l.flush()
			l.mu.Unlock()
		}
	}
}

// Flush writes what is buffered and returns what went wrong since the last
// call.
func (l *Log) Flush() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	err := l.err
	l.err = nil
	return err
}

// Reopen opens the file anew, after it was renamed. If that fails the old one
// stays.
func (l *Log) Reopen() error {
	if l == nil || l.name == "" {
		return nil
	}
	file, err := open(l.name)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	old := l.file
	l.to, l.file = file, file
	l.out.Reset(file)
	return old.Close()
}

// Close writes what is buffered and closes the file.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	close(l.stop)
	<-l.done
	err := l.Flush()
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	return err
}
