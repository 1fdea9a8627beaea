package metadata

import (
	"context"
	"slices"
	"strings"
	"time"
)

// journalTable is our own table of committed changes.
const journalTable = "ezdfs_journal"

// Kind says what happened to the subject of a change.
type Kind string

// The kinds of changes. The subject of the first group is a path, that of the
// second names a family of paths.
const (
	KindStore  Kind = "store"  // stored, new or anew
	KindExpire Kind = "expire" // expired; the body stays
	KindPurge  Kind = "purge"  // row and body deleted
	KindCopy   Kind = "copy"   // became a copy of another path
	KindMove   Kind = "move"   // moved here from another path, for which an expire is recorded
	KindRepair Kind = "repair" // the row was mended to describe its body

	KindExpirePrefix   Kind = "expire-prefix"   // every path that begins with the subject
	KindExpireTrunk    Kind = "expire-trunk"    // every path of the trunk
	KindExpireWildcard Kind = "expire-wildcard" // every path that matches the pattern
	KindExpireScope    Kind = "expire-scope"    // every path of the scope
	KindTruncate       Kind = "truncate"        // every path of the table
)

// Family reports whether the subject stands for many paths.
func (k Kind) Family() bool {
	return k == KindTruncate || strings.HasPrefix(string(k), string(KindExpire)+"-")
}

// Change is an entry of the journal.
type Change struct {
	Kind    Kind
	Subject string    // a path, or what names the family
	Scope   string    // of the path's row, "" for a family
	Time    time.Time // to the microsecond; zero means now
	Host    string    // "" means the store's own
}

// Record appends changes to the journal, in the transaction that makes them.
// Called while the rows of the subjects are locked, it keeps the changes of
// each path in order. A database without a journal records nothing.
func (tx *Tx) Record(changes ...Change) error {
	if there, err := tx.hasJournal(); !there {
		return err
	}
	return tx.run(tx.records(changes))
}

// records are the statements that append changes.
func (tx *Tx) records(changes []Change) (list []statement) {
	now := time.Now()
	for chunk := range slices.Chunk(changes, chunkSize) {
		args := make([]any, 0, 5*len(chunk))
		for _, c := range chunk {
			if c.Time.IsZero() {
				c.Time = now
			}
			if c.Host == "" {
				c.Host = tx.store.config.Hostname
			}
			args = append(args, string(c.Kind), c.Subject, c.Scope, c.Time.UnixMicro(), c.Host)
		}
		list = append(list, statement{"record", chunk[0].Subject, "INSERT INTO " + quoted(journalTable) +
			" (`kind`, `subject`, `scope`, `time`, `host`) VALUES " + tuples(len(chunk), 5), args})
	}
	return list
}

// missingJournal is how long it is believed that there is no journal.
const missingJournal = time.Second

// hasJournal reports whether there is a journal. Where there is none it looks
// again once in a while: a process that runs when somebody makes the table
// records from then on.
func (tx *Tx) hasJournal() (bool, error) {
	info := tx.store.schema.Load()
	if info.journal || time.Since(info.at) < missingJournal {
		return info.journal, nil
	}
	if err := tx.store.inspect(tx.ctx, tx.tx); err != nil {
		return false, tx.wrap("record", journalTable, err)
	}
	return tx.store.schema.Load().journal, nil
}

// HasJournal reports whether changes are recorded, looking for the table if
// there was none when the store last looked.
func (s *Store) HasJournal(ctx context.Context) (bool, error) {
	if !s.schema.Load().journal {
		if err := s.loadSchema(ctx); err != nil {
			return false, err
		}
	}
	return s.schema.Load().journal, nil
}
