package settings

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// everySection lists all sections with all their fields, empty.
func everySection() []section {
	list := fixed(&Settings{})
	for _, k := range kinds() {
		list = append(list, k.zero())
	}
	return list
}

// TestTags holds every tag against what the package makes of it.
func TestTags(t *testing.T) {
	variables := map[string]string{}
	for _, s := range everySection() {
		for i := range s.fields.NumField() {
			f := s.fields.Type().Field(i)
			if f.Tag.Get("key") == "" && f.Name != "Name" {
				t.Errorf("%s.%s has no key", s.fields.Type(), f.Name)
			}
		}
		for f := range s.all() {
			name := s.fields.Type().Name() + "." + f.key()
			if doc := f.tag.Get("doc"); !strings.HasSuffix(doc, ".") {
				t.Errorf("%s: doc %q is not a sentence", name, doc)
			}
			if err := f.setDefault(); err != nil {
				t.Errorf("%s: default %v", name, err)
			}
			if env := f.tag.Get("env"); env != "" {
				if other, ok := variables[env]; ok || !strings.HasPrefix(env, "DFS_") {
					t.Errorf("%s: variable %s (also of %q)", name, env, other)
				}
				variables[env] = name
			}
			for _, limit := range []string{"min", "max"} {
				if text := f.tag.Get(limit); text != "" {
					if _, err := f.parse(text); err != nil {
						t.Errorf("%s: %s %v", name, limit, err)
					}
				}
			}
		}
	}
	if len(variables) < 15 {
		t.Errorf("only %d variables", len(variables))
	}
}

func TestDefaults(t *testing.T) {
	s := Defaults()
	for name, pair := range map[string][2]any{ // contract section 11
		"DBHost":   {s.DFS.DBHost, "dbhost"},
		"DBPort":   {s.DFS.DBPort, 3306},
		"DBName":   {s.DFS.DBName, "cluster"},
		"DBUser":   {s.DFS.DBUser, "root"},
		"connect":  {s.DFS.DBConnectRetries, 3},
		"execute":  {s.DFS.DBExecuteRetries, 20},
		"copy":     {s.DFS.MaxCopyRetries, 5},
		"table":    {s.DFS.TableCache, "ezdfsfile_cache"},
		"VarDir":   {s.Files.VarDir, "var"},
		"Storage":  {s.Files.StorageDir, "storage"},
		"Cache":    {s.Files.CacheDir, "cache"},
		"files":    {s.Files.FileMode, fs.FileMode(0o666)},
		"dirs":     {s.Files.DirMode, fs.FileMode(0o777)},
		"timeout":  {s.Content.GenerationTimeout, 60 * time.Second},
		"stale":    {fmt.Sprint(s.Clustering.StaleHandling), "map[cacheblock:wait misc:wait viewcache:wait]"},
		"matching": {s.Dispatch.PathMatching, "prefix"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	if engine, err := s.DFS.Engine(); engine != MySQL || err != nil {
		t.Errorf("engine %q, %v", engine, err)
	}
	if def, rules, contains := s.Routing(); def != "nfs" || rules != nil || contains {
		t.Errorf("routing %q, %v, %v", def, rules, contains)
	}
	for _, e := range s.Entries() {
		if e.Origin != (Origin{}) || e.Value != e.Default {
			t.Errorf("%s is %q from %s, its default %q", e.Key, e.Value, e.Origin, e.Default)
		}
	}
}

// TestEntriesLoadAgain writes every entry of a site back into INI files: they
// must mean the same settings.
func TestEntriesLoadAgain(t *testing.T) {
	first := load(t, map[string]string{
		"file.ini": "[eZDFSClusteringSettings]\nMountPointPath=/mnt/nfs\nDFSBackend=dispatcher\nDBPort=3307\nDBName=a b;c #d\n" +
			"[DispatchableDFS]\nPathBackends[var/a]=s3:media\nPathBackends[var/b]=gcs\nPathMatching=contains\n" +
			"[ClusteringSettings]\nNonExistantStaleCacheHandling[misc]=generate\n[nfs:cold]\nMountPointPath=/mnt/cold\nStorageDirPermissions=3770\n",
		"site.ini":         "[FileSettings]\nStorageFilePermissions=0640\n[ContentSettings]\nCacheGenerationTimeout=90\n",
		"dfsamazons3.ini":  "[s3:media]\nBucket=m\nPartSize=20480K\nAbortUploads=1\nACL=private\n",
		"dfsgcs.ini":       "[BackendSettings]\nBucket=g\nCredentialsFile=/etc/key.json\n",
		"unrelated.ini":    "[G]\nK=v\n",
		"override/x.ini":   "",
		"override/y.ini.a": "",
	})
	files := map[string]string{}
	for _, e := range first.Entries() {
		files[e.File] += "[" + e.Group + "]\n" + e.Key + "=" + e.Value + "\n"
	}
	second := load(t, files)
	for _, s := range []*Settings{&first, &second} {
		s.Root, s.origins = "", nil
		for i := range s.Dispatch.PathBackends {
			s.Dispatch.PathBackends[i].Origin = Origin{}
		}
	}
	if !reflect.DeepEqual(first, second) {
		t.Errorf("first %+v\nagain %+v", first, second)
	}
}

// load writes files into a settings directory and loads it without environment.
func load(t *testing.T, files map[string]string) Settings {
	t.Helper()
	s, err := Load(optionsFor(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func optionsFor(t *testing.T, files map[string]string) Options {
	t.Helper()
	root := t.TempDir()
	for name, data := range files {
		path := filepath.Join(root, "settings", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Root: root, Getenv: func(string) (string, bool) { return "", false }}
}

func TestLoadWithoutDirectory(t *testing.T) {
	_, err := Load(Options{Root: t.TempDir()})
	if err == nil || strings.Count(err.Error(), "does not exist") != 1 {
		t.Errorf("%v", err)
	}
}

// Whoever embeds a cluster may name its root, or nothing at all, relative to
// the working directory.
func TestRelativeRoot(t *testing.T) {
	opts := optionsFor(t, map[string]string{
		"file.ini": "[eZDFSClusteringSettings]\nMountPointPath=nfs\nDBBackend=SQLite\nDBName=cluster.sqlite\n",
	})
	for dir, root := range map[string]string{filepath.Dir(opts.Root): filepath.Base(opts.Root), opts.Root: ""} {
		t.Chdir(dir)
		s, err := Load(Options{Root: root, Getenv: opts.Getenv})
		if err != nil {
			t.Fatal(err)
		}
		for got, want := range map[string]string{
			s.Root: opts.Root, s.DFS.MountPointPath: filepath.Join(opts.Root, "nfs"),
			s.DFS.DBName: filepath.Join(opts.Root, "cluster.sqlite"),
		} {
			if got != want {
				t.Errorf("root %q: %s, want %s", root, got, want)
			}
		}
	}
}

func TestPathsStartAtTheRoot(t *testing.T) {
	opts := optionsFor(t, map[string]string{
		"file.ini":   "[eZDFSClusteringSettings]\nMountPointPath=mnt/../nfs\nDBBackend=sqlite\nDBName=var/c.sqlite\n[nfs:abs]\nMountPointPath=/abs\n",
		"dfsgcs.ini": "[BackendSettings]\nBucket=b\nCredentialsFile=key.json\n",
	})
	s, err := Load(opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{
		{s.DFS.MountPointPath, filepath.Join(opts.Root, "nfs")},
		{s.NFS["nfs"].MountPointPath, filepath.Join(opts.Root, "nfs")},
		{s.NFS["nfs:abs"].MountPointPath, "/abs"},
		{s.DFS.DBName, filepath.Join(opts.Root, "var/c.sqlite")},
		{s.GCS["gcs"].CredentialsFile, filepath.Join(opts.Root, "key.json")},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%q, want %q", pair[0], pair[1])
		}
	}
}

func TestSQLiteNamesThatAreNoFiles(t *testing.T) {
	for _, name := range []string{":memory:", "file:c.db?mode=ro"} {
		s := load(t, map[string]string{"file.ini": "[eZDFSClusteringSettings]\nDBBackend=SQLite\nDBName=" + name})
		if s.DFS.DBName != name {
			t.Errorf("%q became %q", name, s.DFS.DBName)
		}
	}
}

func TestEnvironmentOfTheProcess(t *testing.T) {
	opts := optionsFor(t, map[string]string{"file.ini": "[eZDFSClusteringSettings]\nDBPassword=of the file\n"})
	opts.Getenv = nil
	t.Setenv("DFS_DB_PASSWORD", "of the process")
	s, err := Load(opts)
	if err != nil || s.DFS.DBPassword.Reveal() != "of the process" {
		t.Errorf("%q, %v", s.DFS.DBPassword.Reveal(), err)
	}
}

func TestBackendName(t *testing.T) {
	for name, want := range map[string]string{
		"eZDFSFileHandlerDFSBackend": "nfs",
		"ezdfsfilehandlerdfsbackend": "nfs",
		"eZDFSFileHandlerDFSAmazon":  "s3",
		"nfs":                        "nfs",
		"s3":                         "s3",
		"gcs":                        "gcs",
		"s3:media":                   "s3:media",
		"gcs:a-b_c.D9":               "gcs:a-b_c.D9",
		"nfs:cold":                   "nfs:cold",

		"eZDFSFileHandlerDFSDispatcher": "", "dispatcher": "", "": "", "S3": "", "s3:": "", ":media": "",
		"s3:a b": "", "s3:a:b": "", "s3:ä": "", "azure": "", "azure:x": "", " s3": "", "s3 ": "",
	} {
		if got, ok := BackendName(name); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", name, got, ok, want)
		}
	}
}

func TestParseEngine(t *testing.T) {
	for name, want := range map[string]Engine{
		"eZDFSFileHandlerMySQLiBackend": MySQL, "eZDFSFileHandlerMySQLBackend": MySQL, "MySQL": MySQL, "mysql": MySQL,
		"SQLite": SQLite, "sqlite": SQLite, "": "", "eZDFSFileHandlerPostgresqlBackend": "", "MySQL ": "",
	} {
		if got, err := ParseEngine(name); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestRoutingToOneBackend(t *testing.T) {
	for class, want := range map[string]string{
		"eZDFSFileHandlerDFSBackend": "nfs", "eZDFSFileHandlerDFSAmazon": "s3", "gcs": "gcs", "s3": "s3", "unknown": "unknown",
	} {
		s := Defaults()
		s.DFS.DFSBackend = class
		s.Dispatch.PathBackends = []Rule{{Prefix: "var", Backend: "gcs"}}
		if def, rules, _ := s.Routing(); def != want || rules != nil {
			t.Errorf("%s: %q, %v; want %q", class, def, rules, want)
		}
	}
}

func TestRoutingKeepsTheRules(t *testing.T) {
	s := Defaults()
	s.DFS.DFSBackend = "EZDFSFileHandlerDFSDispatcher"
	s.Dispatch.PathBackends = []Rule{{Prefix: "var", Backend: "eZDFSFileHandlerDFSAmazon"}}
	_, rules, _ := s.Routing()
	if rules[0].Backend != "s3" || s.Dispatch.PathBackends[0].Backend != "eZDFSFileHandlerDFSAmazon" {
		t.Errorf("%v, %v", rules, s.Dispatch.PathBackends)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	s := Defaults()
	s.DFS.DBPassword = "hunter2"
	s.S3["s3"] = S3{Name: "s3", SecretAccessKey: "hunter2"}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%!", "%10.3s"} {
		fmt.Fprintf(&out, verb, s.DFS)
		fmt.Fprintf(&out, verb, s.S3)
		fmt.Fprintf(&out, verb, s.DFS.DBPassword)
	}
	if err := json.NewEncoder(&out).Encode(s); err != nil {
		t.Fatal(err)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "secret", s.DFS.DBPassword, "all", s.DFS)
	}
	fmt.Fprint(&out, s.Entries())
	for _, leak := range []string{"hunter2", "68756e74", "68756E74"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%s is in %s", leak, out.String())
		}
	}
	if s.DFS.DBPassword.Reveal() != "hunter2" || Secret("").String() != "" {
		t.Error("Reveal or the empty secret")
	}
}

func TestReferenceIsComplete(t *testing.T) {
	tables := Reference()
	for _, s := range everySection() {
		for f := range s.all() {
			for _, text := range []string{"| `" + f.key() + "` |", cell(f.tag.Get("doc"))} {
				if !strings.Contains(tables, text) {
					t.Errorf("%s: no %q", f.key(), text)
				}
			}
		}
	}
	for line := range strings.Lines(tables) {
		if cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); strings.HasPrefix(line, "|") && cells != 5 {
			t.Errorf("%d bars: %s", cells, line)
		}
	}
	for _, want := range []string{"### file.ini `[eZDFSClusteringSettings]`", "### dfsamazons3.ini `[BackendSettings]` and `[s3:name]`",
		"### file.ini `[nfs:name]`", "`DFS_S3_[NAME_]SECRET_ACCESS_KEY`", "| `DBPort` | `3306` | `DFS_DB_PORT` |"} {
		if !strings.Contains(tables, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestOriginString(t *testing.T) {
	for want, origin := range map[string]Origin{
		"default": {}, "a.ini:3": {File: "a.ini", Line: 3}, "a.ini": {File: "a.ini"}, "environment X": {File: environment, Name: "X"},
	} {
		if origin.String() != want {
			t.Errorf("%s, want %s", origin, want)
		}
	}
}
