package metadata

import "testing"

func TestTable(t *testing.T) {
	l := Layout{VarDir: "var", CacheDir: "cache", StorageDir: "storage", CacheTable: "ezdfsfile_cache"}
	for name, want := range map[string]string{
		"var/cache/x":                         "ezdfsfile_cache",
		"var/site/cache/content/2-a.cache":    "ezdfsfile_cache",
		"var/site/mycached/x":                 "ezdfsfile_cache",
		"var/site/storage/images/a.png":       "ezdfsfile",
		"var/site/storage/images/cache/x.png": "ezdfsfile",
		"var/site/cache/storage_x/r.txt":      "ezdfsfile",
		"var/site/other/x":                    "ezdfsfile",
		"var/site/Cache/x":                    "ezdfsfile",
	} {
		if got := l.Table(name); got != want {
			t.Errorf("Table(%q) = %q, want %q", name, got, want)
		}
	}
	one := l
	one.CacheTable = StorageTable
	if got := one.Table("var/cache/x"); got != StorageTable || len(one.Tables()) != 1 {
		t.Errorf("with one table: %q of %v", got, one.Tables())
	}
	if got := (Layout{CacheTable: "c"}).Table("var/cache/x"); got != StorageTable {
		t.Errorf("without CacheDir: %q", got)
	}
}

func TestTrunk(t *testing.T) {
	l := Layout{VarDir: "var/s", CacheDir: "cache", StorageDir: "storage"}
	const blocks = "var/s/cache/template-block/"
	for _, c := range []struct{ name, scope, want string }{
		{"var/s/cache/content/s/2-abc.cache", "viewcache", "var/s/cache/content/s/2-"},
		{"var/s/cache/content/s/12-14-abc.cache", "viewcache", "var/s/cache/content/s/12-"},
		{"var/s-x/cache/nodash.cache", "viewcache", "var/s-x/cache/nodash.cache"},
		{"2-abc", "viewcache", "2-"},
		{blocks + "subtree/1/2/cache/5/a.cache", "template-block", blocks + "subtree/1/2/cache/"},
		{blocks + "subtree/1/cache/2/cache/a.cache", "template-block", blocks + "subtree/1/cache/"},
		{blocks + "1/2/a.cache", "template-block", blocks + "1/2/a.cache"},
		{blocks + "subtree/1/a", "template-block", blocks + "subtree/1/a"},
		{"var/other/cache/template-block/subtree/1/cache/a", "template-block", "var/other/cache/template-block/subtree/1/cache/"}, // another site's
		{"var/s/storage/images/2-a.png", "image", "var/s/storage/images/2-a.png"},
		{"var/s/cache/content/s/2-abc.cache", "", "var/s/cache/content/s/2-abc.cache"},
	} {
		if got := l.Trunk(c.name, c.scope); got != c.want {
			t.Errorf("Trunk(%q, %q) = %q, want %q", c.name, c.scope, got, c.want)
		}
	}
	absolute := Layout{VarDir: "var/s", CacheDir: "/cache"}
	if got := absolute.Trunk("x/cache/template-block/subtree/1/cache/a", "template-block"); got != "x/cache/template-block/subtree/1/cache/" {
		t.Errorf("with an absolute CacheDir: %q", got)
	}
}

func TestRowStates(t *testing.T) {
	for _, c := range []struct {
		row  Row
		live bool
	}{
		{Row{MTime: 5}, true}, {Row{MTime: 0}, true}, {Row{MTime: -5}, false},
		{Row{MTime: 5, Expired: true}, false}, {Row{MTime: -5, Expired: true}, false},
	} {
		if c.row.Live() != c.live {
			t.Errorf("%+v: live is %v", c.row, !c.live)
		}
		if c.row.MTime != 0 && c.row.ModTime().Unix() != 5 {
			t.Errorf("%+v: ModTime %v", c.row, c.row.ModTime())
		}
	}
	if got := (Row{Name: "abc"}).Hash(); got != "900150983cd24fb0d6963f7d28e17f72" { // MD5 of "abc", RFC 1321
		t.Error(got)
	}
}
