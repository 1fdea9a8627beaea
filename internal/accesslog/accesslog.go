// Package accesslog writes a line for every request that was answered, as
// Apache's combined format or as JSON:
//
//	log, err := accesslog.Open("/var/log/ezdfs/access.log", accesslog.Combined, os.Stdout, logger)
//	...
//	defer log.Close()
//	log.Write(&accesslog.Entry{Request: r, Client: client, Status: 200, ...})
//
// What clients send is escaped, so that no request writes a line of its own,
// and the signatures of signed URLs are left out: whoever reads the log could
// use them until they expire.
// Lines are buffered for a second at most. While they cannot be written, on a
// full disk, the buffer keeps the first of them, and the others are lost: they
// are counted, the administrator is told, and once there is room again lines
// are written again. A line is never written in part.
package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
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

// flushEvery is how long a line may wait, tellEvery how long an administrator
// is not told again of lines that are lost.
const (
	flushEvery = time.Second
	tellEvery  = time.Minute
)

const bufferSize = 64 << 10

// Log is an open access log. A nil *Log is one that is off. Its methods may be
// called concurrently.
type Log struct {
	name   string // of the file, "" for an output that was given
	format func([]byte, *Entry) []byte
	logger *slog.Logger
	stop   chan struct{}
	done   chan struct{}

	mu      sync.Mutex
	to      io.Writer
	file    *os.File  // to, if that is ours to close
	buffer  []byte    // whole lines
	cut     bool      // but for the first, of which the beginning was written
	failure error     // of the last write; nil while lines are written
	lost    uint64    // lines
	toldAt  time.Time // of a failure; zero while there is none
}

// Stats tell how a log fares.
type Stats struct {
	Lost  uint64 // lines so far
	Error error  // why lines cannot be written at present; nil if they can
}

// Stdout is the name that means the output given to Open.
const Stdout = "stdout"

// Open opens the log file name and appends to it; "stdout" writes to stdout
// instead, and "" is a log that is off. The logger, if there is one, is told
// when lines cannot be written, at once and then once a minute. The caller
// closes the log.
func Open(name string, format Format, stdout io.Writer, logger *slog.Logger) (*Log, error) {
	if name == "" {
		return nil, nil
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		format: appendCombined, logger: logger, stop: make(chan struct{}), done: make(chan struct{}),
		to: stdout, buffer: make([]byte, 0, bufferSize),
	}
	if format == JSON {
		l.format = appendJSON
	}
	if name != Stdout {
		file, err := open(name)
		if err != nil {
			return nil, err
		}
		l.name, l.to, l.file = name, file, file
	}
	go l.flushing()
	return l, nil
}

func open(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

// Write adds a line. Where there is no room for it, because those before it
// cannot be written, it is lost.
func (l *Log) Write(e *Entry) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	begin := len(l.buffer)
	l.buffer = l.format(l.buffer, e)
	if len(l.buffer) <= bufferSize {
		return
	}
	line := len(l.buffer) - begin
	if l.failure == nil { // else it is for flushing to try again
		l.flush()
	}
	if len(l.buffer) > bufferSize {
		l.buffer = l.buffer[:len(l.buffer)-line]
		l.lost++
	}
	if cap(l.buffer) > 2*bufferSize {
		l.buffer = append(make([]byte, 0, bufferSize), l.buffer...)
	}
}

// Stats returns the counters.
func (l *Log) Stats() Stats {
	if l == nil {
		return Stats{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{l.lost, l.failure}
}

// Flush writes what is buffered.
func (l *Log) Flush() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	return l.failure
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
	l.drop(l.cut) // the rest would make no sense in the new one
	old := l.file
	l.to, l.file = file, file
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
	if err != nil {
		l.lost += uint64(bytes.Count(l.buffer, []byte("\n")))
		err = fmt.Errorf("lines of the access log that were lost: %d: %w", l.lost, err)
	}
	if l.file != nil {
		err = errors.Join(err, l.file.Close())
	}
	return err
}
