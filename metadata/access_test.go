package metadata

import (
	"errors"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	for name, test := range map[string]struct {
		store *Store
		want  string
	}{
		"mysql":  {openTest(t, mysqlTestConfig(t)), "MariaDB"},
		"sqlite": {openTest(t, sqliteTestConfig(t)), "SQLite 3."},
	} {
		version, err := test.store.Version(t.Context())
		if err != nil || !strings.Contains(version, test.want) {
			t.Errorf("%s: version %q, %v; want %q in it", name, version, err, test.want)
		}
	}
}

// TestCheckAccessChangesNothing: the probes leave rows as they are.
func TestCheckAccessChangesNothing(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/a"}, Row{Name: "var/cache/a"})
		if err := s.CheckAccess(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"var/a", "var/cache/a"} {
			if row, err := s.Get(t.Context(), name); err != nil || row.MTime != 1_700_000_000 || row.Expired {
				t.Errorf("%s: %+v, %v", name, row, err)
			}
		}
	})
}

// TestCheckAccessNamesPrivileges: what the user may not do is named, on the
// table that is meant.
func TestCheckAccessNamesPrivileges(t *testing.T) {
	c := mysqlTestConfig(t)
	createTest(t, c)
	maria.Exec(t, "CREATE USER reader;\nGRANT SELECT ON `"+c.Name+"`.* TO reader;\n"+
		"GRANT INSERT, UPDATE, DELETE ON `"+c.Name+"`.ezdfsfile_cache TO reader")
	defer maria.Exec(t, "DROP USER reader")
	c.User = "reader"
	err := openTest(t, c).CheckAccess(t.Context())
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("the error is %v, not ErrUnavailable", err)
	}
	for _, privilege := range []string{"INSERT", "UPDATE", "DELETE"} {
		if !strings.Contains(err.Error(), `try `+privilege+` on "ezdfsfile":`) {
			t.Errorf("%v\ndoes not name %s on ezdfsfile", err, privilege)
		}
	}
	if strings.Contains(err.Error(), "SELECT on") || strings.Contains(err.Error(), "ezdfsfile_cache") {
		t.Errorf("%v\nnames what is granted", err)
	}
}

// TestCheckAccessWithoutTables: what does not exist is the schema check's.
func TestCheckAccessWithoutTables(t *testing.T) {
	if err := openTest(t, sqliteTestConfig(t)).CheckAccess(t.Context()); err != nil {
		t.Error(err)
	}
}
