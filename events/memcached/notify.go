package memcached

import (
	"context"
	"strings"
	"sync"

	"example.com/ezdfs/events"
	"example.com/ezdfs/metadata"
)

// maxNames is how many rows of a family are removed one by one; a flush costs
// less than removing more.
const maxNames = 2000

// dropAttempts is how often a deletion is tried before all rows of the server
// have to go: one answer that is late, on a busy host, is not worth that.
const dropAttempts = 2

// Notify keeps the rows that were read and drops what changed. It fails only
// when ctx is done: a server that cannot be told is not believed until all its
// rows have been dropped.
func (l *Listener) Notify(ctx context.Context, batch []events.Event) error {
	for _, event := range batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case event.Kind == events.StoreMetadata && event.Missing:
			l.leases.answer(event.Row.Name, event.Time)
		case event.Kind == events.StoreMetadata:
			l.store(event.Row, event.Time)
		case event.Kind == events.DeleteFile:
			l.dropPath(event)
		default:
			l.dropFamily(ctx, event)
		}
	}
	return nil
}

// dropPath makes the row of one path unknown, of which the event may tell
// nothing but the hash.
func (l *Listener) dropPath(event events.Event) {
	hash := event.Hash
	if event.Subject != "" {
		hash = metadata.Hash(event.Subject)
	}
	if legalKey(l.prefix + hash) {
		l.drop(l.server(hash), l.hashTokenKey(hash), l.rowKey(hash))
	}
}

// dropFamily makes the rows of a family unknown: first to us, on all servers,
// then to PHP.
func (l *Listener) dropFamily(ctx context.Context, event events.Event) {
	token := l.tokenKey(familyCut(event))
	l.onAll(func(s *server) { l.drop(s, token) })
	if !l.shared {
		return
	}
	hashes, ok := l.familyHashes(ctx, event)
	if !ok {
		l.onAll(func(s *server) {
			if err := l.dropAll(s); err != nil {
				l.owe(s, err)
			}
		})
		return
	}
	keys := map[*server][]string{}
	for _, hash := range hashes {
		s := l.server(hash)
		keys[s] = append(keys[s], l.rowKey(hash))
	}
	l.onAll(func(s *server) { l.drop(s, keys[s]...) })
}

// familyCut returns the family with a token that contains all of an event's.
func familyCut(event events.Event) string {
	switch event.Kind {
	case events.DeleteByNametrunk:
		return event.Subject
	case events.DeleteByLike, events.DeleteByDirList:
		return dirCut(event.Subject)
	case events.DeleteByWildcard:
		literal, _, _ := strings.Cut(event.Subject, "*")
		if i := strings.IndexAny(literal, "?{"); i >= 0 {
			literal = literal[:i]
		}
		return dirCut(literal)
	}
	return ""
}

// familyHashes lists the hashes of a family's rows, or reports that they cannot
// be told. It removes PHP's map of a trunk, having read it.
func (l *Listener) familyHashes(ctx context.Context, event events.Event) ([]string, bool) {
	if l.opts.Family == nil || event.Kind == events.Lost {
		return nil, false
	}
	var hashes []string
	if event.Kind == events.DeleteByNametrunk && legalKey(l.prefix+event.Subject) {
		hashes = l.trunkHashes(event.Subject)
		l.drop(l.server(event.Subject), l.prefix+event.Subject)
	}
	for name, err := range l.opts.Family(ctx, event) {
		if err != nil || len(hashes) >= maxNames {
			return nil, false
		}
		hashes = append(hashes, metadata.Hash(name))
	}
	return hashes, true
}

// drop deletes keys from a server, or remembers that it has to forget
// everything.
func (l *Listener) drop(s *server, keys ...string) {
	if len(keys) == 0 {
		return
	}
	err := errSpared
	for range dropAttempts {
		if s.owes() {
			break
		}
		if err = s.drop(keys...); err == nil {
			return
		}
	}
	l.owe(s, err)
}

// onAll runs f for every server at once.
func (l *Listener) onAll(f func(*server)) {
	if len(l.servers) == 1 {
		f(l.servers[0])
		return
	}
	var wg sync.WaitGroup
	for _, s := range l.servers {
		wg.Go(func() { f(s) })
	}
	wg.Wait()
}
