package settings

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// writeTargets writes the settings of a site and returns its options.
func writeTargets(t *testing.T, cdn string, env map[string]string) Options {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"file.ini": "[DispatchableDFS]\nPathBackends[var/s/]=s3:media\n[eZDFSClusteringSettings]\nDFSBackend=dispatcher\nMountPointPath=mnt\n[nfs:mirror]\nMountPointPath=mirror\n",
		"cdn.ini":  cdn, "dfsamazons3.ini": "[s3:media]\nBucket=media\n[s3:origin]\nBucket=origin\n",
	}
	for name, text := range files {
		file := filepath.Join(root, "settings", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Root: root, Getenv: func(name string) (string, bool) { value, ok := env[name]; return value, ok }}
}

// The targets of cdn.ini are read by name, with secrets of the environment.
func TestTargets(t *testing.T) {
	s, err := Load(writeTargets(t, `[akamai:media]
URLs[]=https://www.example.com
URLs[]=https://static.example.com
CPCodes[]=12345
PurgeBy=tag
CredentialsFile=.edgerc
[googlecdn:a]
Project=p
Tags=enabled
[webhook:x.y]
URL=http://a/
Timeout=1500
[replicate:origin]
Backend=s3:origin
`, map[string]string{"DFS_AKAMAI_MEDIA_CLIENT_SECRET": "hush", "DFS_CDN_WEBHOOK_X_Y_SECRET": "key", "DFS_GOOGLECDN_A_URL_MAP": "m"}))
	if err != nil {
		t.Fatal(err)
	}
	a, g, w, r := s.Targets.Akamai["akamai:media"], s.Targets.GoogleCDN["googlecdn:a"], s.Targets.Webhook["webhook:x.y"], s.Targets.Replicate["replicate:origin"]
	if len(a.URLs) != 2 || a.CPCodes[0] != "12345" || a.PurgeBy != "tag" || a.ClientSecret != "hush" || !filepath.IsAbs(a.CredentialsFile) && !strings.HasSuffix(a.CredentialsFile, "/.edgerc") || !a.Tags {
		t.Errorf("%+v", a)
	}
	if g.Project != "p" || g.URLMap != "m" || !g.Tags || g.RatePerMinute != 500 {
		t.Errorf("%+v", g)
	}
	if w.Secret != "key" || w.Timeout != 1500*time.Millisecond || !w.Families || w.MaxItems != 500 {
		t.Errorf("%+v", w)
	}
	if r.Name != "replicate:origin" || r.Backend != "s3:origin" || r.Timeout != time.Hour {
		t.Errorf("%+v", r)
	}
	if n := len(s.Targets.Akamai) + len(s.Targets.GoogleCDN) + len(s.Targets.Webhook) + len(s.Targets.Replicate); n != 4 {
		t.Errorf("%d targets", n)
	}
}

// A target is no backend: no rule can route to it.
func TestTargetsAreNoBackends(t *testing.T) {
	for _, name := range []string{"akamai", "akamai:media", "webhook:a", "replicate:origin"} {
		if got, ok := BackendName(name); ok {
			t.Errorf("%s is the backend %s", name, got)
		}
	}
}

// What a target cannot work with is reported with its place.
func TestCheckTargets(t *testing.T) {
	const akamai = "[akamai:a]\nHost=h\nClientToken=t\nClientSecret=s\nAccessToken=a\n"
	for _, test := range []struct {
		cdn  string
		want []string // "Key: part of the message"
	}{
		{akamai + "URLs[]=https://a", nil},
		{akamai, []string{"URLs: is empty"}},
		{akamai + "PurgeBy=tag\n", nil},
		{akamai + "URLs[]=a\n", []string{"URLs: is not a URL"}},
		{"[akamai:a]\nURLs[]=https://a\nHost=h\n", []string{"AccessToken: is not set", "ClientSecret: is not set", "ClientToken: is not set"}},
		{"[akamai:a]\nURLs[]=https://a\nCredentialsFile=nowhere\n", []string{"CredentialsFile: open"}},
		{"[googlecdn:a]\nEndpoint=x\n", []string{"Endpoint: is not a URL", "Project: is not set", "URLMap: is not set"}},
		{"[webhook:a]\nTimeout=1\n", []string{"URL: is not set"}},
		{"[webhook:a]\nURL=host/path\n", []string{"URL: is not a URL"}},
		{"[replicate:a]\nBackend=s3:origin\n", nil},
		{"[replicate:a]\nBackend=nfs:mirror\n", nil},
		{"[replicate:a]\nTimeout=5\n", []string{"Backend: is not set"}},
		{"[replicate:a]\nBackend=s3:media\n", []string{"Backend: s3:media is a store of the cluster itself"}},
		{"[replicate:a]\nBackend=s3:nowhere\n", []string{"Backend: names no store"}},
		{"[replicate:a]\nBackend=webhook:a\n", []string{"Backend: names no store"}},
	} {
		var got []string
		for _, p := range Check(t.Context(), writeTargets(t, test.cdn, nil)) {
			if strings.Contains(p.Group, ":a") && !strings.HasPrefix(p.Group, "nfs") && !strings.HasPrefix(p.Group, "s3") {
				got = append(got, p.Key+": "+p.Message)
			}
		}
		slices.Sort(got)
		if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
			t.Errorf("%s\n%q, want %q", test.cdn, got, test.want)
		}
	}
}
