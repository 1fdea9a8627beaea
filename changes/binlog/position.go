package binlog

import (
	"strconv"
	"strings"

	"example.com/ezdfs/changes"
)

// place is what a position says: the transactions that were passed, and of the
// one that follows how many rows.
type place struct {
	state state
	next  string // the GTID of the transaction that follows, where rows > 0 and it has one
	rows  int    // rows of it that were seen
}

const prefix = sourceName + ":"

// String is the text of a position:
//
//	binlog:mariadb:0-1-17                 after a transaction
//	binlog:mariadb:0-1-17/0-1-18+300      300 rows into the next one
//	binlog:mysql:UUID:1-17/UUID:18+300
//	binlog:file:UUID:binlog.000003:4711+300
func (p place) String() string {
	text := prefix + p.state.kind() + ":" + p.state.String()
	if p.rows == 0 {
		return text
	}
	return within(text, p.next, p.rows)
}

// position is String for the feed.
func (p place) position() changes.Position { return changes.Position(p.String()) }

// within is the text of a position inside of a transaction.
func within(text, next string, rows int) string {
	if next != "" {
		text += "/" + next
	}
	return text + "+" + strconv.Itoa(rows)
}

// parsePlace reads a position of this source.
func parsePlace(position changes.Position) (place, error) {
	lost := func(reason string) (place, error) {
		return place{}, &changes.LostError{Source: sourceName, Position: position, Reason: reason}
	}
	text, ok := strings.CutPrefix(string(position), prefix)
	if !ok {
		return lost("it is no position of the binary log")
	}
	kind, text, ok := strings.Cut(text, ":")
	if !ok {
		return lost("it is malformed")
	}
	var p place
	if i := strings.LastIndexByte(text, '+'); i >= 0 {
		rows, err := strconv.Atoi(text[i+1:])
		if err != nil || rows < 1 {
			return lost("it is malformed: it does not end in a number of rows")
		}
		text, p.rows = text[:i], rows
		text, p.next, _ = strings.Cut(text, "/")
	}
	var err error
	if p.state, err = parseState(kind, text); err != nil {
		return lost("it is malformed: " + err.Error())
	}
	return p, nil
}
