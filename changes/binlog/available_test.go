package binlog

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// unavailable opens a source that cannot be had and returns why.
func unavailable(t *testing.T, c metadata.Config) *UnavailableError {
	t.Helper()
	source, err := Open(t.Context(), c)
	if err == nil {
		source.Close()
	}
	var why *UnavailableError
	if !errors.Is(err, changes.ErrUnavailable) || !errors.As(err, &why) || why.Fix == "" {
		t.Fatalf("%v, want what would have to be done", err)
	}
	t.Log(err)
	return why
}

func TestSQLiteHasNone(t *testing.T) {
	unavailable(t, metadata.Config{Engine: metadata.SQLite, Name: filepath.Join(t.TempDir(), "db")})
}

func TestNoLog(t *testing.T) {
	server := testservice.NewMariaDB(testservice.MariaDBOptions{})
	t.Cleanup(server.Close)
	s := newSite(t, server)
	if why := unavailable(t, s.config); !strings.Contains(why.Fix, "log_bin") || !strings.Contains(why.Fix, "my.cnf") {
		t.Error(why.Fix)
	}
}

func TestFormats(t *testing.T) {
	s := newSite(t, own)
	for _, format := range []string{"STATEMENT", "MIXED"} {
		s.Exec(t, "SET GLOBAL binlog_format = '"+format+"'")
		if why := unavailable(t, s.config); !strings.Contains(why.Reason, format) || !strings.Contains(why.Fix, "SET GLOBAL binlog_format = 'ROW'") {
			t.Error(why)
		}
	}
	s.Exec(t, "SET GLOBAL binlog_format = 'ROW'")
	s.open(t)
}

// TestPrivileges: the statement that the error names is the one that helps,
// and nothing else than that and SELECT is needed.
func TestPrivileges(t *testing.T) {
	s := newSite(t, db)
	s.Exec(t, "CREATE USER 'reader'@'localhost' IDENTIFIED BY 'secret';\nGRANT SELECT ON `"+s.config.Name+"`.* TO 'reader'@'localhost'")
	t.Cleanup(func() { s.Exec(t, "DROP USER 'reader'@'localhost'") })
	start := head(t, s.open(t))
	s.put(t, "var/s/a", "", 1)

	c := *s
	c.config.User, c.config.Password = "reader", "secret"
	why := unavailable(t, c.config)
	grant, ok := strings.CutPrefix(why.Fix, "run ")
	if want := "GRANT REPLICATION SLAVE ON *.* TO 'reader'@'localhost'"; !ok || grant != want {
		t.Fatalf("the fix is %q, want %q", why.Fix, want)
	}
	if number(why) != errPrivilege || strings.Contains(why.Error(), "secret") {
		t.Errorf("%v, of error %d", why, number(why))
	}
	s.Exec(t, grant)
	source := c.open(t)
	if got := short(drain(t, source, start)); len(got) != 1 {
		t.Errorf("got %q", got)
	}
	if got := drain(t, source, changes.Oldest); len(got) == 0 {
		t.Error("nothing since the oldest")
	}

	c.config.Password = "wrong"
	if _, err := Open(t.Context(), c.config); !errors.Is(err, metadata.ErrUnavailable) || errors.Is(err, changes.ErrUnavailable) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
}

// TestWithoutSelect: who may read the log but not the tables is told so.
func TestWithoutSelect(t *testing.T) {
	s := newSite(t, db)
	s.Exec(t, "CREATE USER 'blind'@'localhost';\nGRANT REPLICATION SLAVE ON *.* TO 'blind'@'localhost'")
	t.Cleanup(func() { s.Exec(t, "DROP USER 'blind'@'localhost'") })
	c := *s
	c.config.User = "blind"
	for _, grant := range []string{"DO 1", "GRANT SELECT ON `" + s.config.Name + "`.ezdfsfile TO 'blind'@'localhost'"} {
		s.Exec(t, grant)
		if why := unavailable(t, c.config); why.Fix != "run GRANT SELECT ON `"+s.config.Name+"`.* TO 'blind'@'localhost'" {
			t.Error(why)
		}
	}
}

func TestDown(t *testing.T) {
	c := metadata.Config{Engine: metadata.MySQL, Socket: filepath.Join(t.TempDir(), "s"), Name: "x", User: "root"}
	_, err := Open(t.Context(), c)
	if err == nil || errors.Is(err, changes.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) || !metadata.IsRetryable(err) {
		t.Errorf("%v: an outage is no reason to give the log up", err)
	}
}

func TestRemarks(t *testing.T) {
	for _, test := range []struct {
		variables map[string]string
		want      []string
	}{
		{map[string]string{"binlog_row_image": "FULL", "binlog_expire_logs_seconds": "0"}, nil},
		{map[string]string{"binlog_row_image": "FULL_NODUP", "binlog_expire_logs_seconds": "864000"}, nil},
		{map[string]string{"binlog_row_image": "MINIMAL"}, []string{"binlog_row_image = FULL"}},
		{map[string]string{"binlog_row_image": "NOBLOB", "binlog_expire_logs_seconds": "3600"}, []string{"binlog_row_image = FULL", "binlog_expire_logs_seconds ="}},
		{map[string]string{"expire_logs_days": "0.5"}, []string{"binlog_expire_logs_seconds ="}},
		{map[string]string{"expire_logs_days": "10"}, nil},
	} {
		s := server{variables: test.variables}
		got := s.remarks()
		if len(got) != len(test.want) {
			t.Errorf("%v: %v", test.variables, got)
			continue
		}
		for i, want := range test.want {
			if !strings.Contains(got[i].Fix, want) || got[i].Text == "" {
				t.Errorf("%v: %v", test.variables, got[i])
			}
		}
	}
}
