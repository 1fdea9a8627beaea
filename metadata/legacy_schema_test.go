package metadata

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// openLegacy opens a store on tables made by a fixture, in each SQL mode that
// changes how statements are read.
func openLegacy(t *testing.T, fixture string) *Store {
	t.Helper()
	script, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	c := mysqlTestConfig(t)
	maria.Exec(t, "USE `"+c.Name+"`;\n"+string(script))
	return openTest(t, c)
}

func legacyFixtures(t *testing.T) []string {
	t.Helper()
	fixtures, err := filepath.Glob("testdata/schema/*.sql")
	if err != nil || len(fixtures) < 5 {
		t.Fatal(fixtures, err)
	}
	return fixtures
}

// Whatever the columns and collations are: rows are found and expired by
// bytes, what a table cannot hold is refused before anything is written, and
// the tables stay as they are.
func TestLegacySchemas(t *testing.T) {
	for _, fixture := range legacyFixtures(t) {
		t.Run(filepath.Base(fixture), func(t *testing.T) {
			s := openLegacy(t, fixture)
			before := s.schema.Load().tables
			var fit, refused []string
			for _, name := range twins {
				err := s.CheckRow(complete(s, Row{Name: name}))
				var limit *LimitError
				switch {
				case err == nil:
					fit = append(fit, name)
				case errors.As(err, &limit) && limit.Column == "name":
					refused = append(refused, name)
				default:
					t.Fatal(err)
				}
			}
			if full := strings.Contains(fixture, "utf8mb4"); full != (len(refused) == 0) {
				t.Errorf("refused are %q", refused)
			}
			for _, expire := range []func(name string) (int64, error){
				func(n string) (int64, error) { return s.ExpirePrefix(t.Context(), n) },
				func(n string) (int64, error) { return s.ExpireTrunk(t.Context(), n) },
			} {
				for _, name := range fit {
					put(t, s, Row{Name: name})
				}
				if got := names(t, s, Filter{}); !sameNames(got, fit) {
					t.Fatalf("Rows = %q", got)
				}
				if n, err := expire("var/s/storage/a.png  "); n != 1 || err != nil {
					t.Error(n, err)
				}
				want := slices.DeleteFunc(slices.Clone(fit), func(n string) bool { return n == "var/s/storage/a.png  " })
				if got := live(t, s); !sameNames(got, want) {
					t.Errorf("live are %q", got)
				}
				for _, name := range refused {
					if n, err := expire(name); n != 0 || err != nil {
						t.Errorf("expire %q: %d, %v", name, n, err)
					}
				}
			}
			if err := s.Update(t.Context(), func(tx *Tx) error { return tx.Record(Change{Kind: KindStore, Subject: "a"}) }); err != nil {
				t.Errorf("without a journal: %v", err)
			}
			if err := s.CreateSchema(t.Context()); err != nil {
				t.Fatal(err)
			}
			after := s.schema.Load().tables
			for _, own := range ownTables() {
				delete(after, own)
			}
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Errorf("CreateSchema made of %v: %v", before, after)
			}
		})
	}
}

func TestCheckSchemaOfLegacySchemas(t *testing.T) {
	journal := "warning ezdfs_journal: does not exist, so changes are not recorded"
	both := func(texts ...string) (all []string) {
		for _, table := range testLayout.Tables() {
			for _, text := range texts {
				level, text, _ := strings.Cut(text, " ")
				all = append(all, level+" "+table+": "+text)
			}
		}
		return append(all, journal, "warning ezdfs_state: does not exist, so the journal is never pruned",
			"warning ezdfs_cdn_delivery: does not exist, so no cache or CDN can be told of changes",
			"warning ezdfs_migration: or ezdfs_migration_range does not exist, so nothing can migrate",
			"warning ezdfs_trash: does not exist, so nothing can be put into a trash")
	}
	const narrow = "warning its charset %s lacks characters that file names may have; such names are refused"
	utf8, latin1 := fmt.Sprintf(narrow, "utf8mb3"), fmt.Sprintf(narrow, "latin1")
	index := func(columns string) string {
		return "warning no index on " + columns + ", so expiry and listings scan the table"
	}
	want := map[string][]string{
		"utf8_old.sql": both(index("expired, name"),
			"warning column datatype holds 60 characters, not 255; longer values are refused",
			"warning column scope holds 20 characters, not 25; longer values are refused", utf8),
		"utf8.sql":            both(utf8),
		"utf8mb4.sql":         both(),
		"utf8mb4_unicode.sql": both(),
		"latin1.sql":          both(latin1),
		"bare.sql":            both(index("name"), index("name_trunk"), index("mtime"), index("expired, name"), utf8),
		"myisam.sql":          both("error its engine MyISAM has no transactions", utf8),
	}
	for _, fixture := range legacyFixtures(t) {
		problems, err := openLegacy(t, fixture).CheckSchema(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range problems {
			got = append(got, fmt.Sprintf("%s %s: %s", p.Severity, p.Table, p.Text))
			if p.Fix == "" {
				t.Errorf("%v has no fix", p)
			}
		}
		if !slices.Equal(got, want[filepath.Base(fixture)]) {
			t.Errorf("%s:\n%s", fixture, strings.Join(got, "\n"))
		}
	}
}

// On narrow columns a longer value is refused with the numbers.
func TestNarrowColumns(t *testing.T) {
	s := openLegacy(t, "testdata/schema/utf8_old.sql")
	for _, row := range []Row{
		{Name: "var/s/a", Scope: strings.Repeat("ü", 21)},
		{Name: "var/s/a", DataType: strings.Repeat("a", 61)},
		{Name: "var/s/cache/😀"},
	} {
		err := s.Update(t.Context(), func(tx *Tx) error { return tx.Upsert(complete(s, row)) })
		var limit *LimitError
		if !errors.As(err, &limit) {
			t.Errorf("%+v: %v", row, err)
		}
	}
	put(t, s, Row{Name: "var/s/a", Scope: strings.Repeat("ü", 20), DataType: strings.Repeat("a", 60)})
}

// PHP on a latin1 connection wrote the bytes of UTF-8 names as they are.
func TestNamesWrittenThroughALatin1Connection(t *testing.T) {
	s := openLegacy(t, "testdata/schema/latin1.sql")
	const name = "var/s/storage/übergrößenträger.png"
	maria.Exec(t, "USE `"+s.config.Name+"`;\nSET NAMES latin1;\nINSERT INTO ezdfsfile (name, name_trunk, name_hash, mtime) VALUES ('"+
		name+"', '"+name+"', '"+Hash(name)+"', 5)")
	row, err := s.Get(t.Context(), name)
	if err != nil || row.Name != name || row.Trunk != name {
		t.Errorf("Get = %+v, %v", row, err)
	}
	if got := names(t, s, Filter{}); !slices.Equal(got, []string{name}) {
		t.Errorf("Rows = %q", got)
	}
	if n, err := s.Expire(t.Context(), name); n != 1 || err != nil {
		t.Error(n, err)
	}
}

// Expiry and the search for the rows of a prefix use an index, on every
// collation.
func TestExpireUsesTheIndex(t *testing.T) {
	for _, fixture := range append(legacyFixtures(t), "") {
		if strings.Contains(fixture, "bare") {
			continue
		}
		t.Run(filepath.Base(fixture), func(t *testing.T) {
			var s *Store
			if fixture == "" {
				s = createTest(t, mysqlTestConfig(t))
			} else {
				s = openLegacy(t, fixture)
			}
			var rows []Row
			for i := range 3000 {
				rows = append(rows, Row{Name: fmt.Sprintf("var/s/cache/content/%d-ü", i), Scope: "viewcache"})
			}
			put(t, s, rows...)
			maria.Exec(t, "ANALYZE TABLE `"+s.config.Name+"`.ezdfsfile_cache")
			for index, f := range map[string]Filter{
				"ezdfsfile_name":       {Prefix: "var/s/cache/content/77-"},
				"ezdfsfile_name_trunk": {Trunk: "var/s/cache/content/77-"},
			} {
				clause, args := where(f.selective(s, "ezdfsfile_cache"))
				for _, statement := range []string{
					"UPDATE `ezdfsfile_cache`" + setExpired + clause + " AND " + notExpired,
					"SELECT `name_hash` FROM `ezdfsfile_cache`" + clause + " LIMIT 1000",
				} {
					if key, n := explain(t, s, statement, args...); key != index || n > 100 {
						t.Errorf("%s\nuses index %q, %d rows", statement, key, n)
					}
				}
			}
		})
	}
}

// explain returns the index that a statement uses and how many rows the
// server expects to read.
func explain(t *testing.T, s *Store, statement string, args ...any) (key string, rows int) {
	t.Helper()
	var ignore any
	var k *string
	err := s.pools.write.QueryRowContext(t.Context(), "EXPLAIN "+statement, args...).
		Scan(&ignore, &ignore, &ignore, &ignore, &ignore, &k, &ignore, &ignore, &rows, &ignore)
	if err != nil {
		t.Fatal(err)
	}
	if k != nil {
		key = *k
	}
	return key, rows
}

// Whatever follows the prefix and whatever the collation: the index loses no
// name.
func TestPrefixUnderEveryCollation(t *testing.T) {
	const prefix = "var/s/storage/"
	var inside []string
	for _, rest := range []string{"", "a", "\x01", " ", "\uffff", "\uffffz", "😁.png", "😁😁😁😁", "\U0010ffff", "\U0010ffff\U0010ffff", "é"} {
		inside = append(inside, prefix+rest+"x")
	}
	for _, collation := range []string{"utf8mb4_bin", "utf8mb4_nopad_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci",
		"utf8mb4_unicode_520_ci", "utf8mb4_swedish_ci", "uca1400_ai_ci"} {
		t.Run(collation, func(t *testing.T) {
			s := createTest(t, mysqlTestConfig(t))
			maria.Exec(t, "ALTER TABLE `"+s.config.Name+"`.ezdfsfile CONVERT TO CHARACTER SET utf8mb4 COLLATE "+collation)
			fill(t, s, "var/t/%d", 1500)
			for _, name := range inside {
				put(t, s, Row{Name: name})
			}
			maria.Exec(t, "ANALYZE TABLE `"+s.config.Name+"`.ezdfsfile")
			if got := names(t, s, Filter{Prefix: prefix}); len(got) != len(inside) {
				t.Errorf("Rows finds %q", got)
			}
			if n, err := s.ExpirePrefix(t.Context(), prefix); int(n) != len(inside) || err != nil {
				t.Errorf("%d expired, %v", n, err)
			}
		})
	}
}
