package accesslog

import (
	"bytes"
	"io"
	"time"
)

// flush writes what is buffered. What cannot be written stays there.
func (l *Log) flush() {
	if len(l.buffer) == 0 {
		return
	}
	n, err := l.to.Write(l.buffer)
	if n < len(l.buffer) && err == nil {
		err = io.ErrShortWrite
	}
	if l.failure = err; err == nil {
		l.buffer, l.cut = l.buffer[:0], false
		return
	}
	if n = l.takeBack(n); n > 0 {
		l.cut = l.buffer[n-1] != '\n'
		l.buffer = l.buffer[:copy(l.buffer, l.buffer[n:])]
	}
}

// takeBack cuts the part of a line off the file with which n bytes of the buffer
// ended there, and returns how many stayed. Behind what somebody else wrote
// meanwhile, and in what is no file, the part stays and its rest comes next.
func (l *Log) takeBack(n int) int {
	part := n - (bytes.LastIndexByte(l.buffer[:n], '\n') + 1)
	if part == 0 || l.file == nil {
		return n
	}
	info, err := l.file.Stat()
	end, seekErr := l.file.Seek(0, io.SeekCurrent) // where the write ended
	if err != nil || seekErr != nil || info.Size() != end || l.file.Truncate(end-int64(part)) != nil {
		return n
	}
	return n - part
}

// drop loses the first line of the buffer, if first.
func (l *Log) drop(first bool) {
	if first {
		l.buffer = l.buffer[:copy(l.buffer, l.buffer[bytes.IndexByte(l.buffer, '\n')+1:])]
		l.lost++
		l.cut = false
	}
}

// flushing flushes every now and then.
func (l *Log) flushing() {
	defer close(l.done)
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case now := <-ticker.C:
			l.mu.Lock()
			l.flush()
			l.tell(now)
			l.mu.Unlock()
		}
	}
}

// tell says that lines cannot be written, at once and then once a minute, and
// when they can again.
func (l *Log) tell(now time.Time) {
	switch {
	case l.failure != nil && (l.toldAt.IsZero() || now.Sub(l.toldAt) >= tellEvery):
		l.logger.Error("the access log cannot be written; lines are lost", "file", l.name, "lost", l.lost, "error", l.failure)
		l.toldAt = now
	case l.failure == nil && !l.toldAt.IsZero():
		l.logger.Warn("the access log is written again", "file", l.name, "lost", l.lost)
		l.toldAt = time.Time{}
	}
}
