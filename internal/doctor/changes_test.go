package doctor

import (
	"strings"
	"testing"

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// logging is a server with a binary log.
var logging = testservice.NewMariaDB(testservice.MariaDBOptions{Binlog: true})

// mariadbSite returns the settings of a site on a server with a binary log.
func mariadbSite(t *testing.T) settings.Settings {
	t.Helper()
	s := settings.Defaults()
	s.Root = t.TempDir()
	s.DFS.DBName, s.DFS.DBSocket, s.DFS.DBUser, s.DFS.MountPointPath = logging.Database(t), logging.Socket(), "root", s.Root
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	store, err := metadata.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// about returns what is found about the change feed.
func about(t *testing.T, s settings.Settings) (found []string) {
	t.Helper()
	for f := range Examine(t.Context(), Options{Settings: s}) {
		if f.Subject == changesSubject {
			found = append(found, f.String())
		}
	}
	return found
}

// TestChangeFeed: which source would be read, and what would make it better.
func TestChangeFeed(t *testing.T) {
	s := mariadbSite(t)
	logging.Exec(t, "CREATE USER 'reader'@'localhost';\nGRANT SELECT ON `"+s.DFS.DBName+"`.* TO 'reader'@'localhost'")
	for _, test := range []struct {
		name, source, user, server string
		want                       [][]string // parts of each finding
	}{
		{"binary log", "auto", "", "DO 1", [][]string{{"ok    changes: read from the binary log"}}},
		{"asked for", "binlog", "", "DO 1", [][]string{{"ok    changes: read from the binary log"}}},
		{"journal asked for", "journal", "", "DO 1", [][]string{{"ok    changes: read from the journal"}}},
		{"none", "none", "", "DO 1", [][]string{{"ok    changes: not read"}}},
		{"no privilege", "auto", "reader", "DO 1", [][]string{
			{"warn  changes: read from the journal, which does not see PHP's", "; run GRANT REPLICATION SLAVE ON *.* TO 'reader'@'localhost'"},
		}},
		{"no privilege, asked for", "binlog", "reader", "DO 1", [][]string{
			{"fail  changes: the binary log cannot be read", "; run GRANT REPLICATION SLAVE ON *.* TO 'reader'@'localhost'"},
		}},
		{"no such user", "auto", "nobody", "DO 1", [][]string{{"fail  changes: ", "see [ChangeFeed] of file.ini"}}},
		{"statements", "auto", "", "SET GLOBAL binlog_format = 'STATEMENT'", [][]string{{"warn  changes: ", "SET GLOBAL binlog_format = 'ROW'"}}},
		{"minimal", "auto", "", "SET GLOBAL binlog_format = 'ROW', GLOBAL binlog_row_image = 'MINIMAL', GLOBAL binlog_expire_logs_seconds = 60", [][]string{
			{"warn  changes: binlog_row_image is MINIMAL", "SET GLOBAL binlog_row_image = 'FULL'"},
			{"warn  changes: binary logs are kept for 60 s", "binlog_expire_logs_seconds"},
			{"ok    changes: read from the binary log"},
		}},
		{"no journal", "journal", "", "DROP TABLE `" + s.DFS.DBName + "`.ezdfs_journal", [][]string{{"warn  changes: not recorded", "dfsctl schema create"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			logging.Exec(t, test.server)
			s.Changes.Source, s.Changes.ReplicationUser = test.source, test.user
			got := about(t, s)
			if len(got) != len(test.want) {
				t.Fatalf("found %q, want %d findings", got, len(test.want))
			}
			for i, parts := range test.want {
				for _, part := range parts {
					if !strings.Contains(got[i], part) {
						t.Errorf("%q does not contain %q", got[i], part)
					}
				}
			}
		})
	}
}
