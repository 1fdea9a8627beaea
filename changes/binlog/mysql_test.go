package binlog

import (
	"slices"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"

	"example.com/ezdfs/changes"
)

// newFakeMySQL has a log of four transactions: two rows; a truncated table; one
// row of another database and one of ours, compressed; a prepared XA.
func newFakeMySQL(t *testing.T, gtids bool) *fakeMySQL {
	f := &fakeMySQL{
		variables: map[string]string{
			"version": "8.0.36", "hostname": "db7", "server_id": "42", "server_uuid": uuid2,
			"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL", "gtid_mode": "OFF",
		},
		executed: uuid1 + ":1-9", log: newMySQLLog(), database: "cluster",
	}
	number := func(n int64) int64 { return 0 }
	if gtids {
		f.variables["gtid_mode"] = "ON"
		number = func(n int64) int64 { return n }
	}
	l := f.log
	n := number(6)
	l.gtid(n)
	l.add(n, replication.QUERY_EVENT, query("cluster", "BEGIN"))
	l.add(n, replication.TABLE_MAP_EVENT, tableMap("cluster", "ezdfsfile", true))
	l.add(n, replication.WRITE_ROWS_EVENTv2, writeRows(fakeRow("var/a", "image", 5, 0), fakeRow("var/b", "x", -5, 1)))
	l.add(n, replication.XID_EVENT, make([]byte, 8))
	n = number(7)
	l.gtid(n)
	l.add(n, replication.QUERY_EVENT, query("other", "TRUNCATE cluster.ezdfsfile_cache"))
	n = number(8)
	l.gtid(n)
	l.add(n, replication.TRANSACTION_PAYLOAD_EVENT, payload(t,
		event(replication.QUERY_EVENT, query("", "BEGIN"), 0),
		event(replication.TABLE_MAP_EVENT, tableMap("other", "ezdfsfile", true), 0),
		event(replication.WRITE_ROWS_EVENTv2, writeRows(fakeRow("var/other", "", 5, 0)), 0),
		event(replication.TABLE_MAP_EVENT, tableMap("cluster", "ezdfsfile", true), 0),
		event(replication.WRITE_ROWS_EVENTv2, writeRows(fakeRow("var/c", "", 5, 0)), 0),
		event(replication.XID_EVENT, make([]byte, 8), 0)))
	n = number(9)
	l.gtid(n)
	l.add(n, replication.QUERY_EVENT, query("", "XA START X'61',X'',1"))
	l.add(n, replication.TABLE_MAP_EVENT, tableMap("cluster", "ezdfsfile", true))
	l.add(n, replication.WRITE_ROWS_EVENTv2, writeRows(fakeRow("var/d", "", 5, 0)))
	l.add(n, replication.QUERY_EVENT, query("", "XA END X'61',X'',1"))
	l.add(n, replication.XA_PREPARE_LOG_EVENT, make([]byte, 20))
	return f
}

var fakeChanges = []string{"store var/a", "expire var/b", "truncate ezdfsfile_cache", "store var/c", "store var/d"}

// TestMySQL: the log of MySQL 8, with and without GTIDs, from the beginning
// and after each of its changes.
func TestMySQL(t *testing.T) {
	for _, gtids := range []bool{true, false} {
		t.Run(map[bool]string{true: "GTIDs", false: "files"}[gtids], func(t *testing.T) {
			f := newFakeMySQL(t, gtids)
			source := (&site{config: f.start(t)}).open(t)
			all := drain(t, source, changes.Oldest)
			if got := short(all); !slices.Equal(got, fakeChanges) {
				t.Fatalf("got %q, want %q", got, fakeChanges)
			}
			for i, c := range all {
				if c.Host != "db7" || c.Time.Unix() != 1_700_000_000 {
					t.Errorf("%+v", c)
				}
				if got := short(drain(t, source, c.Position)); !slices.Equal(got, fakeChanges[i+1:]) {
					t.Errorf("after %s: %q, want %q", c.Position, got, fakeChanges[i+1:])
				}
			}
			if all[0].Scope != "image" || all[4].Position != head(t, source) {
				t.Errorf("%+v, head %s", all, head(t, source))
			}
			want := []changes.Position{"binlog:mysql:" + uuid1 + ":1-5/" + uuid1 + ":6+1", "binlog:mysql:" + uuid1 + ":1-6"}
			if got := []changes.Position{all[0].Position, all[1].Position}; gtids && !slices.Equal(got, want) {
				t.Errorf("positions %q, want %q", got, want)
			}
			follower := follow(t, source, changes.Oldest)
			follower.want(t, fakeChanges...)
			follower.end(t)
		})
	}
}

// TestMySQLLost: positions without GTIDs are of one server and its files.
func TestMySQLLost(t *testing.T) {
	f := newFakeMySQL(t, false)
	source := (&site{config: f.start(t)}).open(t)
	for _, p := range []changes.Position{
		"binlog:file:" + uuid1 + ":binlog.000007:4", "binlog:file:" + uuid2 + ":binlog.000001:4", "binlog:mysql:" + uuid1 + ":1-9", "binlog:mariadb:0-1-1",
	} {
		lost(t, source, p, false)
		lost(t, source, p, true)
	}
}

// TestMySQLGrant: MySQL wants another privilege too.
func TestMySQLGrant(t *testing.T) {
	s := server{user: "'a'@'%'"}
	if got, want := s.grant(), "run GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'a'@'%'"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
