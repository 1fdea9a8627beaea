package settings

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/ezdfs/ini"
)

// TestLegacyKeysAreNotMisspelt names keys of the legacy that stand in groups
// of ours and that ezdfs does not use.
func TestLegacyKeysAreNotMisspelt(t *testing.T) {
	opts := optionsFor(t, map[string]string{
		"file.ini": "[ClusteringSettings]\nFileHandler=eZDFSFileHandler\nExtensionDirectories[]=x\n[ClusterEventsSettings]\nClusterEvents=disabled\nListener=x\n" +
			"[eZDFSClusteringSettings]\nMountPointPath=.nfs\n[FileSettings]\nHandlers[]=x\n[PassThroughSettings]\nContentDisposition[image/png]=inline\n[BinaryFileSettings]\nHandler=x\n",
		"site.ini": "[FileSettings]\nTemporaryDir=cache/temp\nSiteDir=x\nLogDir=log\nVarLogDir=x\nVarDir=var\nLogFilePermissions=0666\nTemporaryPermissions=0777\n" +
			"[DatabaseSettings]\nServer=x\nPort=\nUser=x\nPassword=x\nDatabase=x\nCharset=\nSocket=x\nSQLOutput=disabled\nConnectRetries=0\n" +
			"[ContentSettings]\nViewCaching=enabled\nCachedViewPreferences[full]=x\nStaticCache=disabled\nCacheDir=content\nCacheThreshold=250\n[SiteSettings]\nK=v\n[RoleSettings]\nK=v\n",
	})
	if err := os.Mkdir(filepath.Join(opts.Root, ".nfs"), 0o777); err != nil {
		t.Fatal(err)
	}
	if problems := Check(t.Context(), opts); len(problems) > 0 {
		t.Errorf("%v", problems)
	}
}

func TestMounts(t *testing.T) {
	dir := t.TempDir()
	file, locked := filepath.Join(dir, "file"), filepath.Join(dir, "locked")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, mount, want string }{
		{"good", dir, ""},
		{"not set", "", "is not set"},
		{"absent", filepath.Join(dir, "none"), "the mount is absent"},
		{"below a file", filepath.Join(file, "x"), "the mount is absent"},
		{"a file", file, "is not a directory"},
		{"read-only", locked, "is not writable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.mount == locked && os.Getuid() == 0 {
				t.Skip("root may write everywhere")
			}
			problems := Check(t.Context(), optionsFor(t, map[string]string{
				"file.ini": "[eZDFSClusteringSettings]\nMountPointPath=" + test.mount + "\n",
			}))
			if test.want == "" {
				if len(problems) > 0 {
					t.Errorf("%v", problems)
				}
				return
			}
			if len(problems) != 1 || problems[0].Severity != SeverityError || problems[0].Key != "MountPointPath" ||
				!strings.Contains(problems[0].Message, test.want) || problems[0].Fix == "" {
				t.Errorf("%v, want %q", problems, test.want)
			}
		})
	}
}

// TestSilentMount asks with a context that is done: the answer of a mount that
// does not come in time is a problem, not a hang.
func TestSilentMount(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &checker{loader: newLoader(Options{Root: t.TempDir()}), ctx: ctx}
	problem, _ := c.awaitMount("/mnt", make(chan error))
	if problem != "/mnt does not answer" {
		t.Errorf("%q", problem)
	}
}

func TestCheckWithoutDirectory(t *testing.T) {
	problems := Check(t.Context(), Options{Root: t.TempDir()})
	if len(problems) != 1 || problems[0].Severity != SeverityError || !strings.Contains(problems[0].Message, "does not exist") {
		t.Errorf("%v", problems)
	}
}

func TestCheckReportsWhatIniReports(t *testing.T) {
	opts := optionsFor(t, map[string]string{
		"file.ini":   "[eZDFSClusteringSettings]\nMountPointPath=nfs\nDBHost=a\nDBHost[]=b\n DBName=c\n",
		"site.ini/x": "", // a directory in the place of the file
	})
	if err := os.Mkdir(filepath.Join(opts.Root, "nfs"), 0o777); err != nil {
		t.Fatal(err)
	}
	problems := Check(t.Context(), opts)
	file, site := filepath.Join(opts.Root, "settings", "file.ini"), filepath.Join(opts.Root, "settings", "site.ini")
	want := []struct {
		severity Severity
		origin   Origin
	}{
		{SeverityError, Origin{File: file, Line: 4}},
		{SeverityError, Origin{File: site}},
		{SeverityWarning, Origin{File: file, Line: 5}},
	}
	if len(problems) != len(want) {
		t.Fatalf("%v", problems)
	}
	for i, p := range problems {
		if p.Severity != want[i].severity || p.Origin != want[i].origin {
			t.Errorf("%v, want %v", p, want[i])
		}
	}
}

func TestSharedBuckets(t *testing.T) {
	opts := optionsFor(t, map[string]string{
		"file.ini": "[eZDFSClusteringSettings]\nDFSBackend=s3\n",
		"dfsamazons3.ini": "[BackendSettings]\nBucket=a\n[s3:same]\nBucket=a\n[s3:inside]\nBucket=a\nPrefix=x/\n" +
			"[s3:elsewhere]\nBucket=a\nEndpoint=https://other.example\n[s3:other]\nBucket=b\n",
		"dfsgcs.ini": "[gcs:one]\nBucket=a\nPrefix=x/\n[gcs:two]\nBucket=a\nPrefix=y/\n",
	})
	var got []string
	for _, p := range Check(t.Context(), opts) {
		got = append(got, string(p.Severity)+" "+p.Group+" "+strings.SplitN(p.Message, " ", 4)[2])
	}
	slices.Sort(got)
	want := []string{"error s3:same s3:same", "warning s3:inside s3:inside", "warning s3:same s3:same"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCleaned(t *testing.T) {
	for prefix, want := range map[string]string{
		"var/a": "var/a", "/var/a/": "var/a/", `var\a`: "var/a", "var//a/./b/../c": "var/a/c", "/": "", "": "", "../x": "x", "var/a\xff": "var/a\uFFFD",
	} {
		if got := cleaned(prefix); got != want {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
}

// TestNeverMatches holds the verdict against the paths themselves: where a
// clean path begins with a prefix, or contains it, that prefix can match.
func TestNeverMatches(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", ".b", "..c", "d.", "e..f", "x y", "ü"})
	rapid.Check(t, func(t *rapid.T) {
		path := []rune(strings.Join(rapid.SliceOfN(segment, 1, 4).Draw(t, "path"), "/"))
		from := rapid.IntRange(0, len(path)).Draw(t, "from")
		to := rapid.IntRange(from, len(path)).Draw(t, "to")
		if reason := neverMatches(string(path[:to]), false); reason != "" {
			t.Fatalf("%q begins %q: %s", string(path[:to]), string(path), reason)
		}
		if reason := neverMatches(string(path[from:to]), true); reason != "" {
			t.Fatalf("%q is in %q: %s", string(path[from:to]), string(path), reason)
		}
	})
	for _, prefix := range []string{"/a", "a//b", `a\b`, "a/./b", "a/../b", "./a", "../a", "a\x00", "a\xff"} {
		if neverMatches(prefix, false) == "" {
			t.Errorf("%q may match", prefix)
		}
	}
}

// FuzzLoad gives a site the same text as each of its files: nothing may panic,
// every error names its file, and the settings keep within their limits.
func FuzzLoad(f *testing.F) {
	f.Add([]byte("[eZDFSClusteringSettings]\nDBPort=1\nDBHost[]=x\nDBBackend=SQLite\n[BackendSettings]\nBucket=x\nPartSize=9M"))
	f.Add([]byte("[eZDFSClusteringSettings]\nDFSBackend=dispatcher\n[DispatchableDFS]\nPathBackends[var/a]=s3\nPathBackends[/]=nfs:x\nPathBackends[]=gcs:\n"))
	f.Add([]byte("[ClusteringSettings]\nNonExistantStaleCacheHandling[misc]=generate\n[nfs:a]\nStorageDirPermissions=7\n[s3:b]\nBucket=x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := loadText(t, data)
		s, err := c.settings, errors.Join(c.errs...)
		checkAgree(t, err, c.check())
		if s.DFS.DBPort < 1 || s.DFS.DBPort > 65535 || s.DFS.DBConnectRetries < 0 || len(s.Clustering.StaleHandling) < 3 {
			t.Errorf("%+v", s)
		}
		def, rules, _ := s.Routing()
		if err == nil {
			checkRouted(t, s, def)
			for _, rule := range rules {
				checkRouted(t, s, rule.Backend)
			}
		}
	})
}

// loadText fills settings from the same text as every file.
func loadText(t testing.TB, data []byte) *checker {
	l := newLoader(Options{Getenv: func(string) (string, bool) { return "", false }})
	for _, file := range files() {
		doc, err := ini.Parse(file, data)
		if err != nil {
			l.errs = append(l.errs, flatten(err)...)
		}
		l.docs[file] = doc
	}
	l.fill()
	return &checker{loader: l, ctx: t.Context()}
}

// BenchmarkLoad loads and checks a site with 10,000 rules.
func BenchmarkLoad(b *testing.B) {
	text := []byte("[eZDFSClusteringSettings]\nDFSBackend=dispatcher\nMountPointPath=.\n[DispatchableDFS]\n")
	for i := range 10_000 {
		text = fmt.Appendf(text, "PathBackends[var/site/storage/images/%d/]=s3\n", i)
	}
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			loadText(b, text)
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			loadText(b, text).check()
		}
	})
}

// checkRouted holds a backend that the routing names against the maps.
func checkRouted(t *testing.T, s Settings, name string) {
	t.Helper()
	_, nfs := s.NFS[name]
	_, s3 := s.S3[name]
	_, gcs := s.GCS[name]
	if !nfs && !s3 && !gcs {
		t.Errorf("%q is routed to and has no settings", name)
	}
}
