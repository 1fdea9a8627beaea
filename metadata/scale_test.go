package metadata

import (
	"database/sql"
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/ezdfs/internal/testservice"
)

// scaleRows is how many cache rows the legacy's own figures are for.
const scaleRows = 500_000

// fillCache makes scaleRows live view cache rows, ten of each node, in one
// statement.
func fillCache(t *testing.T, s *Store) {
	t.Helper()
	_, err := s.pools.write.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO `ezdfsfile_cache` (%s) "+
		"SELECT n, t, MD5(n), 'misc', 'viewcache', 100, 1700000000, 0 FROM (SELECT "+
		"CONCAT('var/s/cache/content/site/', (seq DIV 10) MOD 997, '/', seq DIV 10, '-', MD5(seq), '.cache') n, "+
		"CONCAT('var/s/cache/content/site/', (seq DIV 10) MOD 997, '/', seq DIV 10, '-') t FROM seq_1_to_%d) made", columns, scaleRows))
	if err != nil {
		t.Fatal(err)
	}
}

// TestExpireTrunkAtScale: among 500,000 cache rows a node costs what its own
// rows cost. What the server read is counted by the server itself.
func TestExpireTrunkAtScale(t *testing.T) {
	// A server of its own that has room for the table; the rows are made
	// without waiting for the disk, what is measured is not.
	server := testservice.NewMariaDB(testservice.MariaDBOptions{Args: []string{
		"--innodb-buffer-pool-size=512M", "--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite",
	}})
	t.Cleanup(server.Close)
	s := createTest(t, Config{Engine: MySQL, Name: server.Database(t), Socket: server.Socket(), User: "root", Layout: testLayout})
	fillCache(t, s)
	server.Exec(t, "SET GLOBAL innodb_flush_log_at_trx_commit = 1")
	const trunk = "var/s/cache/content/site/123/123-"
	for what, f := range map[string]Filter{"files": {Trunk: trunk}, "locks": {Prefix: trunk, generating: true}} {
		clause, args := where(f.selective(s, "ezdfsfile_cache"), f.locks(), condition{sql: notExpired})
		key, rows := explain(t, s, "UPDATE `ezdfsfile_cache`"+setExpired+clause, args...)
		if wanted := map[string]string{"files": "ezdfsfile_name_trunk", "locks": "ezdfsfile_name"}[what]; key != wanted || rows > 100 {
			t.Errorf("%s: the server uses %q and looks at %d rows; want %s", what, key, rows, wanted)
		}
	}
	const nodes, members = 50, 10
	before := rowsRead(t, s)
	var took []time.Duration
	for node := range nodes {
		start := time.Now()
		n, err := s.ExpireTrunk(t.Context(), fmt.Sprintf("var/s/cache/content/site/%d/%d-", 123+node, 123+node))
		took = append(took, time.Since(start))
		if n != members || err != nil {
			t.Errorf("expired %d of %d, %v", n, members, err)
		}
	}
	read := (rowsRead(t, s) - before) / nodes
	if read > 15*members {
		t.Errorf("the server read %d rows to expire %d of %d", read, members, scaleRows)
	}
	slices.Sort(took)
	t.Logf("%d rows of a node expired among %d in %v (median of %d, worst %v); the server read %d rows",
		members, scaleRows, took[nodes/2], nodes, took[nodes-1], read)
	var expired int
	if err := s.pools.read.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM `ezdfsfile_cache` WHERE expired = 1").Scan(&expired); expired != nodes*members || err != nil {
		t.Errorf("%d rows are expired, %v", expired, err)
	}
}

// rowsRead is how many rows the server has read for anybody. Nobody else uses
// it.
func rowsRead(t *testing.T, s *Store) (n int64) {
	t.Helper()
	err := query(t.Context(), s.pools.read, func(rows *sql.Rows) error {
		var name string
		var reads int64
		err := rows.Scan(&name, &reads)
		n += reads
		return err
	}, "SHOW GLOBAL STATUS LIKE 'Handler_read%'")
	if err != nil {
		t.Fatal(err)
	}
	return n
}
