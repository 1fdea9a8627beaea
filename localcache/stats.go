package localcache

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Stats counts what a cache did since it was opened, and tells what it holds.
type Stats struct {
	MemoryHits, DiskHits, Misses int64 // of Get
	// Racy counts the copies that Get found but did not trust, because they
	// were begun in the second of their row.
	Racy      int64
	StaleHits int64 // of Stale

	Evicted int64
	Corrupt int64 // files that a crash had torn
	Errors  int64 // of the directory; most are not logged one by one
	Scans   int64 // of the directory; Files and Bytes are complete from the first on

	MemoryBytes int64
	Files       int64 // in the directory
	Bytes       int64 // that they take, in whole blocks, with what is being written
}

type counters struct {
	memoryHits, diskHits, misses, racy, staleHits atomic.Int64
	evicted, corrupt, errors, scans               atomic.Int64
}

// Stats returns the counts.
func (c *Cache) Stats() Stats {
	n := &c.count
	s := Stats{
		MemoryHits: n.memoryHits.Load(), DiskHits: n.diskHits.Load(), Misses: n.misses.Load(),
		Racy: n.racy.Load(), StaleHits: n.staleHits.Load(),
		Evicted: n.evicted.Load(), Corrupt: n.corrupt.Load(), Errors: n.errors.Load(), Scans: n.scans.Load(),
		MemoryBytes: c.memory.size(),
	}
	if c.disk != nil {
		s.Files, s.Bytes = c.disk.index.files.Load(), c.disk.index.total.Load()
	}
	return s
}

// logPause is how long after a message the next ones are only counted.
const logPause = time.Minute

// limitedLog lets one warning a minute through: a disk that is full fails a
// thousand times a second.
type limitedLog struct {
	logger *slog.Logger
	now    func() time.Time

	mu      sync.Mutex
	last    time.Time
	skipped int
}

func newLimitedLog(logger *slog.Logger, now func() time.Time) *limitedLog {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &limitedLog{logger: logger, now: now}
}

func (l *limitedLog) warn(message string, args ...any) {
	l.mu.Lock()
	now := l.now()
	if !l.last.IsZero() && now.Sub(l.last) < logPause {
		l.skipped++
		l.mu.Unlock()
		return
	}
	skipped := l.skipped
	l.last, l.skipped = now, 0
	l.mu.Unlock()
	l.logger.Warn(message, append(args, "not_logged_before", skipped)...)
}
