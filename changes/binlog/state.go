package binlog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/google/uuid"
)

// transaction is one event group of the log.
type transaction struct {
	name string // its GTID, "" without

	gtid gtid      // MariaDB
	sid  uuid.UUID // MySQL
	gno  int64

	file   string // MySQL without GTIDs: where it ends
	offset uint32
}

// state is how far a stream has come, in whole transactions. There is one kind
// for each way in which servers number those.
type state interface {
	// kind names the implementation in a position.
	kind() string
	// String is what parseState reads.
	String() string
	clone() state
	// pass adds a transaction that was seen to its end.
	pass(transaction)
	// reached reports whether all that a later state of the same kind
	// includes was passed.
	reached(head state) bool
	// beyond reports whether something was passed that the end of the log does
	// not include: it is another log.
	beyond(head state) bool
}

var (
	_ state = (*mariadbState)(nil)
	_ state = (*mysqlState)(nil)
	_ state = (*fileState)(nil)
)

// parseState reads what String wrote.
func parseState(kind, text string) (state, error) {
	switch kind {
	case kindMariaDB:
		return parseMariaDB(text)
	case kindMySQL:
		return parseMySQL(text)
	case kindFile:
		return parseFile(text)
	}
	return nil, fmt.Errorf("unknown kind %q", kind)
}

// The kinds of states.
const (
	kindMariaDB = "mariadb"
	kindMySQL   = "mysql"
	kindFile    = "file"
)

// gtid is a global transaction id of MariaDB.
type gtid struct {
	domain, server uint32
	sequence       uint64
}

func (g gtid) String() string {
	return fmt.Sprintf("%d-%d-%d", g.domain, g.server, g.sequence)
}

func parseGTID(text string) (gtid, error) {
	var g gtid
	parts := strings.Split(strings.TrimSpace(text), "-")
	if len(parts) != 3 {
		return g, fmt.Errorf("%q is no GTID", text)
	}
	domain, err1 := strconv.ParseUint(parts[0], 10, 32)
	server, err2 := strconv.ParseUint(parts[1], 10, 32)
	sequence, err3 := strconv.ParseUint(parts[2], 10, 64)
	if cmp.Or(err1, err2, err3) != nil {
		return g, fmt.Errorf("%q is no GTID", text)
	}
	return gtid{uint32(domain), uint32(server), sequence}, nil
}

// mariadbState is the last GTID of every domain.
type mariadbState struct {
	last map[uint32]gtid
	// first means from the beginning of the oldest log, which is not known
	// before the log itself tells it.
	first bool
}

func parseMariaDB(text string) (*mariadbState, error) {
	s := &mariadbState{last: make(map[uint32]gtid)}
	if text == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		g, err := parseGTID(part)
		if err != nil {
			return nil, err
		}
		if _, ok := s.last[g.domain]; ok {
			return nil, fmt.Errorf("domain %d occurs twice", g.domain)
		}
		s.last[g.domain] = g
	}
	return s, nil
}

func (s *mariadbState) kind() string { return kindMariaDB }

func (s *mariadbState) String() string {
	var b strings.Builder
	for i, domain := range slices.Sorted(maps.Keys(s.last)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(s.last[domain].String())
	}
	return b.String()
}

func (s *mariadbState) clone() state { return &mariadbState{maps.Clone(s.last), s.first} }

func (s *mariadbState) pass(t transaction) { s.last[t.gtid.domain], s.first = t.gtid, false }

func (s *mariadbState) reached(head state) bool {
	h, ok := head.(*mariadbState)
	return ok && !s.first && maps.Equal(s.last, h.last)
}

func (s *mariadbState) beyond(head state) bool {
	h, ok := head.(*mariadbState)
	if !ok {
		return true
	}
	for domain, last := range s.last {
		if end, ok := h.last[domain]; !ok || end.sequence < last.sequence {
			return true
		}
	}
	return false
}

// mysqlState is the set of all GTIDs that were passed.
type mysqlState struct{ set *gomysql.MysqlGTIDSet }

func parseMySQL(text string) (*mysqlState, error) {
	set, err := gomysql.ParseMysqlGTIDSet(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, fmt.Errorf("%q is no set of GTIDs", text)
	}
	return &mysqlState{set.(*gomysql.MysqlGTIDSet)}, nil
}

func (s *mysqlState) kind() string { return kindMySQL }

func (s *mysqlState) String() string { return s.set.String() }

func (s *mysqlState) clone() state { return &mysqlState{s.set.Clone().(*gomysql.MysqlGTIDSet)} }

func (s *mysqlState) pass(t transaction) {
	if t.gno > 0 {
		s.set.AddGTID(t.sid, t.gno)
	}
}

func (s *mysqlState) reached(head state) bool {
	h, ok := head.(*mysqlState)
	return ok && s.set.Contain(h.set)
}

func (s *mysqlState) beyond(head state) bool {
	h, ok := head.(*mysqlState)
	return !ok || !h.set.Contain(s.set)
}

// fileState is a place in one server's log files.
type fileState struct {
	server string // its UUID
	file   string
	offset uint32
}

func parseFile(text string) (*fileState, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return nil, fmt.Errorf("%q is no server, file and offset", text)
	}
	offset, err := strconv.ParseUint(parts[2], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("%q is no offset", parts[2])
	}
	return &fileState{parts[0], parts[1], uint32(offset)}, nil
}

func (s *fileState) kind() string { return kindFile }

func (s *fileState) String() string { return fmt.Sprintf("%s:%s:%d", s.server, s.file, s.offset) }

func (s *fileState) clone() state { c := *s; return &c }

func (s *fileState) pass(t transaction) {
	if t.file != "" {
		s.file = t.file
	}
	s.offset = t.offset
}

func (s *fileState) reached(head state) bool {
	h, ok := head.(*fileState)
	return ok && s.compare(h) >= 0
}

func (s *fileState) beyond(head state) bool {
	h, ok := head.(*fileState)
	return !ok || s.compare(h) > 0
}

// compare orders places of one server. Numbers of files grow a digit after
// 999999.
func (s *fileState) compare(o *fileState) int {
	return cmp.Or(cmp.Compare(len(s.file), len(o.file)), cmp.Compare(s.file, o.file), cmp.Compare(s.offset, o.offset))
}
