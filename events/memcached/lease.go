package memcached

import (
	"slices"
	"sync"
	"time"
)

const (
	// leaseTime is how long a question is remembered.
	leaseTime = time.Minute
	// maxLeases bounds the questions that are remembered.
	maxLeases = 20_000
)

// leases remembers which values the tokens of a path had before the database
// was asked for its row, until the row comes. To forget one is harmless: the
// row is not kept then.
type leases struct {
	mu   sync.Mutex
	open map[string]lease
}

type lease struct {
	tokens []string
	since  time.Time // when they had been read
}

// ask notes the values that the tokens of a path have now. Of equal ones the
// oldest reading counts, which suits the rows of all queries since.
func (l *leases) ask(name string, tokens []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	held, is := l.open[name]
	if is && now.Sub(held.since) < leaseTime && slices.Equal(held.tokens, tokens) {
		return
	}
	if l.open == nil || !is && len(l.open) >= maxLeases {
		l.open = map[string]lease{}
	}
	l.open[name] = lease{tokens: tokens, since: now}
}

// answer returns the values to store a row with that was asked for at a time,
// or nil when none are known from before.
func (l *leases) answer(name string, asked time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	held, is := l.open[name]
	if !is || held.since.After(asked) {
		return nil
	}
	delete(l.open, name)
	return held.tokens
}
