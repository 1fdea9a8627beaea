package ezdb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"example.com/ezdfs/bulk/ezdb"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/internal/testservice/oldcluster"
)

var mariaDB = testservice.NewMariaDB(testservice.MariaDBOptions{})

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(testservice.Main(m, mariaDB.Close))
}

// shapes are the tables that there have been.
var shapes = []oldcluster.Shape{oldcluster.Before310, oldcluster.Since310, oldcluster.Since41}

// open opens a source on tables of a shape, and the database to fill them.
func open(t *testing.T, shape oldcluster.Shape) (*ezdb.Source, *oldcluster.Tables) {
	t.Helper()
	tables := oldcluster.Create(t, mariaDB, shape)
	s, err := ezdb.Open(t.Context(), ezdb.Config{DSN: tables.DSN})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, tables
}

func list(t *testing.T, s *ezdb.Source, prefix string) map[string]ezdb.File {
	t.Helper()
	files := make(map[string]ezdb.File)
	for f, err := range s.Files(t.Context(), prefix, "") {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[f.Name]; twice {
			t.Errorf("%q is listed twice", f.Name)
		}
		files[f.Name] = f
	}
	return files
}

func TestRead(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 20_000) // 320,000 bytes in five chunks
	contents := map[string]string{
		"var/s/storage/images/a.png":  "image",
		"var/s/storage/images/A.png":  "case twin",
		"var/s/storage/images/ä'\".x": "odd name",
		"var/s/storage/empty":         "",
		"var/s/storage/large":         large,
		"var/s/cache/100%_x":          "cache",
		"var/s/cache/100":             "shorter",
	}
	for _, shape := range shapes {
		t.Run(string(shape), func(t *testing.T) {
			s, tables := open(t, shape)
			for name, body := range contents {
				tables.Put(t, oldcluster.File{Name: name, DataType: "image/png", Scope: "image", MTime: 1_300_000_000, Body: body})
			}
			files := list(t, s, "")
			if len(files) != len(contents) {
				t.Errorf("%d files, want %d", len(files), len(contents))
			}
			for name, want := range contents {
				f := files[name]
				if f.Size != int64(len(want)) || f.MTime != 1_300_000_000 || f.DataType != "image/png" || f.Scope != "image" || !f.Live() {
					t.Errorf("%q: %+v", name, f)
				}
				body, err := s.OpenFile(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				if err := iotest.TestReader(body, []byte(want)); err != nil {
					t.Errorf("%q: %v", name, err)
				}
				if err := body.Close(); err != nil {
					t.Error(err)
				}
			}
			for prefix, want := range map[string]int{"var/s/storage/images/a": 1, "var/s/storage/images/ä": 1, "var/s/cache/100%": 1, "var/s/": 7, "VAR": 0} {
				if got := list(t, s, prefix); len(got) != want {
					t.Errorf("%q: %d files, want %d: %v", prefix, len(got), want, got)
				}
			}
		})
	}
}

// TestPages lists more files than a page holds.
func TestPages(t *testing.T) {
	for _, shape := range []oldcluster.Shape{oldcluster.Before310, oldcluster.Since41} {
		s, tables := open(t, shape)
		tables.Rows(t, "var/", 2500)
		if got := list(t, s, ""); len(got) != 2500 {
			t.Errorf("%s: %d files", shape, len(got))
		}
		if got := list(t, s, "var/24"); len(got) != 111 {
			t.Errorf("%s: %d files of var/24", shape, len(got))
		}
		i, seventh, rest := 0, "", 0
		for f, err := range s.Files(t.Context(), "", "") {
			if i++; err != nil {
				t.Fatal(err)
			}
			if i == 7 {
				seventh = f.Position()
			}
		}
		for range s.Files(t.Context(), "", seventh) {
			rest++
		}
		if rest != 2500-7 {
			t.Errorf("%s: %d files behind the seventh", shape, rest)
		}
	}
}

// TestDown: a server that is gone is told from a file that is wrong, and is there
// again when it is.
func TestDown(t *testing.T) {
	s, tables := open(t, oldcluster.Since41)
	tables.Put(t, oldcluster.File{Name: "var/a", Body: strings.Repeat("x", 100*oldcluster.ChunkSize)})
	file := list(t, s, "")["var/a"]
	reading, err := s.OpenFile(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	mariaDB.Kill()
	_, read := io.Copy(io.Discard, reading)
	_, opening := s.OpenFile(t.Context(), file)
	_, counting := s.Count(t.Context(), "")
	var listing error
	for _, listing = range s.Files(t.Context(), "", "") {
	}
	for i, err := range []error{read, opening, counting, listing, s.Ping(t.Context())} {
		if !errors.Is(err, ezdb.ErrUnavailable) {
			t.Errorf("%d: %v", i, err)
		}
	}
	mariaDB.Start(t)
	if err := s.Ping(t.Context()); err != nil || len(list(t, s, "")) != 1 {
		t.Error(err)
	}
}

// TestLatin1 reads names that PHP wrote as UTF-8 into a table it took for
// latin1.
func TestLatin1(t *testing.T) {
	s, tables := open(t, oldcluster.Since310)
	tables.Latin1 = true
	tables.Put(t, oldcluster.File{Name: "var/größe.png", Body: "x"})
	if f, ok := list(t, s, "var/grö")["var/größe.png"]; !ok || f.Size != 1 {
		t.Errorf("listed %v", list(t, s, ""))
	}
}

func TestExpired(t *testing.T) {
	s, tables := open(t, oldcluster.Since41)
	tables.Put(t, oldcluster.File{Name: "var/flag", Expired: true, MTime: 5})
	tables.Put(t, oldcluster.File{Name: "var/negative", MTime: -5})
	for name, f := range list(t, s, "") {
		if f.Live() || f.ModTime().Unix() != 5 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// TestWrongChunks: contents that are not what the row says are an error that
// names the file and the place, never a shorter or a longer file.
func TestWrongChunks(t *testing.T) {
	whole := strings.Repeat("x", 3*oldcluster.ChunkSize)
	for name, c := range map[string]struct {
		shape  oldcluster.Shape
		damage string
		kind   error
		want   string
	}{
		"first missing":  {oldcluster.Since41, "DELETE FROM ezdbfile_data WHERE offset = 0", ezdb.ErrChunks, "at offset 0: chunks do not fit: one is missing, the next begins at 65535"},
		"middle missing": {oldcluster.Since41, "DELETE FROM ezdbfile_data WHERE offset = 65535", ezdb.ErrChunks, "at offset 65535: chunks do not fit: one is missing, the next begins at 131070"},
		"last missing":   {oldcluster.Since41, "DELETE FROM ezdbfile_data WHERE offset = 131070", ezdb.ErrChunks, "at offset 131070: chunks do not fit: they end there, but the size is 196605"},
		"all missing":    {oldcluster.Since41, "DELETE FROM ezdbfile_data", ezdb.ErrChunks, "at offset 0: chunks do not fit: they end there, but the size is 196605"},
		"overlap":        {oldcluster.Since41, "UPDATE ezdbfile_data SET offset = 65000 WHERE offset = 65535", ezdb.ErrChunks, "at offset 65535: chunks do not fit: the next one overlaps, it begins at 65000"},
		"shorter chunk":  {oldcluster.Since41, "UPDATE ezdbfile_data SET filedata = 'x' WHERE offset = 65535", ezdb.ErrChunks, "at offset 65536: chunks do not fit: one is missing, the next begins at 131070"},
		"longer":         {oldcluster.Since41, "INSERT INTO ezdbfile_data SELECT name_hash, 196605, 'y' FROM ezdbfile", ezdb.ErrChunks, "at offset 196605: chunks do not fit: the next one ends at 196606, but the size is 196605"},
		"replaced":       {oldcluster.Since41, "UPDATE ezdbfile SET mtime = mtime + 1", ezdb.ErrChanged, "at offset 0: replaced meanwhile"},
		"gone":           {oldcluster.Since41, "DELETE FROM ezdbfile", ezdb.ErrGone, "at offset 0: deleted meanwhile"},
		"old: missing":   {oldcluster.Before310, "DELETE FROM ezdbfile_data ORDER BY id LIMIT 1", ezdb.ErrChunks, "at offset 131070: chunks do not fit: they end there, but the size is 196605"},
		"old: longer":    {oldcluster.Before310, "INSERT INTO ezdbfile_data (masterid, filedata) SELECT id, 'y' FROM ezdbfile", ezdb.ErrChunks, "at offset 196605: chunks do not fit: the next one ends at 196606, but the size is 196605"},
		"old: gone":      {oldcluster.Before310, "DELETE FROM ezdbfile", ezdb.ErrGone, "at offset 0: deleted meanwhile"},
		"table dropped":  {oldcluster.Since41, "DROP TABLE ezdbfile_data", nil, "doesn't exist"},
	} {
		t.Run(name, func(t *testing.T) {
			s, tables := open(t, c.shape)
			tables.Put(t, oldcluster.File{Name: "var/broken", MTime: 7, Body: whole})
			f := list(t, s, "")["var/broken"]
			tables.Exec(t, c.damage)
			body, err := s.OpenFile(t.Context(), f)
			if err == nil {
				var n int64
				n, err = io.Copy(io.Discard, body)
				body.Close()
				if n > f.Size {
					t.Errorf("read %d bytes of %d", n, f.Size)
				}
			}
			var fault *ezdb.Error
			if !errors.As(err, &fault) || fault.Name != "var/broken" || c.kind != nil && !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

// TestReadsOnly: a user who may only SELECT is enough, and another is told
// what is missing.
func TestReadsOnly(t *testing.T) {
	_, tables := open(t, oldcluster.Since41)
	tables.Put(t, oldcluster.File{Name: "var/a", Body: "body"})
	tables.Exec(t, "CREATE USER reader@localhost IDENTIFIED BY 'sesame'", "GRANT SELECT ON "+tables.Database+".* TO reader@localhost")
	t.Cleanup(func() { tables.Exec(t, "DROP USER reader@localhost") })
	s, err := ezdb.Open(t.Context(), ezdb.Config{DSN: strings.Replace(tables.DSN, "root@", "reader:sesame@", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	body, err := s.OpenFile(t.Context(), list(t, s, "")["var/a"])
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if data, err := io.ReadAll(body); err != nil || string(data) != "body" {
		t.Errorf("read %q, %v", data, err)
	}
	if _, err := ezdb.Open(t.Context(), ezdb.Config{DSN: strings.Replace(tables.DSN, "root@", "reader:wrong@", 1)}); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	_, tables := open(t, oldcluster.Since41)
	tables.Exec(t, "CREATE TABLE other (name INT, name_hash INT, size INT, mtime INT)", "CREATE TABLE data (filedata BLOB)")
	for name, c := range map[string]struct {
		config ezdb.Config
		want   string
	}{
		"no DSN":        {ezdb.Config{DSN: "root:sesame@nowhere"}, "not a DSN"},
		"no database":   {ezdb.Config{DSN: "root:sesame@unix(/s)/"}, "end it with /name"},
		"quoted table":  {ezdb.Config{DSN: tables.DSN, Table: "a`b"}, "is not the name of a table"},
		"no table":      {ezdb.Config{DSN: tables.DSN, Table: "none"}, "doesn't exist"},
		"not the files": {ezdb.Config{DSN: tables.DSN, Table: "data"}, "has no column name"},
		"not the data":  {ezdb.Config{DSN: tables.DSN, DataTable: "other"}, "has no column filedata"},
		"no chunks":     {ezdb.Config{DSN: tables.DSN, DataTable: "data"}, "it holds no chunks"},
		"nobody there":  {ezdb.Config{DSN: "root@unix(/nowhere/s)/db"}, "/nowhere/s"},
	} {
		s, err := ezdb.Open(t.Context(), c.config)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

// TestStops: what is under way ends with its context.
func TestStops(t *testing.T) {
	s, tables := open(t, oldcluster.Since41)
	tables.Put(t, oldcluster.File{Name: "var/a", Body: strings.Repeat("x", 40*oldcluster.ChunkSize)})
	ctx, cancel := context.WithCancel(t.Context())
	body, err := s.OpenFile(ctx, list(t, s, "")["var/a"])
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	cancel()
	if _, err := io.Copy(io.Discard, body); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for _, err := range s.Files(ctx, "", "") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("listing: %v", err)
		}
	}
}

// TestNoSorting: the server does not sort contents, which may be gigabytes,
// before it sends the first.
func TestNoSorting(t *testing.T) {
	for _, shape := range shapes {
		s, tables := open(t, shape)
		for i := range 20 {
			tables.Put(t, oldcluster.File{Name: fmt.Sprint("var/", i), Body: strings.Repeat("x", 3*oldcluster.ChunkSize)})
		}
		tables.Exec(t, "ANALYZE TABLE ezdbfile, ezdbfile_data")
		lines, err := s.Explain(t.Context(), list(t, s, "")["var/7"])
		if err != nil || len(lines) == 0 {
			t.Fatal(lines, err)
		}
		if all := strings.Join(lines, " "); strings.Contains(all, "filesort") || strings.Contains(all, "temporary") {
			t.Errorf("%s: %s", shape, all)
		}
	}
}
