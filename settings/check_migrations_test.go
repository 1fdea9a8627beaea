package settings

import (
	"slices"
	"strings"
	"testing"
)

func TestMigrations(t *testing.T) {
	s := load(t, map[string]string{
		"file.ini": "[eZDFSClusteringSettings]\nMountPointPath=mnt\nDFSBackend=dispatcher\n[DispatchableDFS]\n" +
			"PathBackends[var/a]=s3\nMigrateFrom[var/a]=eZDFSFileHandlerDFSBackend\nMigrateFrom[var/b]=nfs:old\n[nfs:old]\nMountPointPath=old\n",
		"dfsamazons3.ini": "[BackendSettings]\nBucket=x\n",
	})
	var got []string
	for _, m := range s.Migrations() {
		got = append(got, m.Prefix+" "+m.Backend)
	}
	if want := []string{"var/a nfs", "var/b nfs:old"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, ok := s.NFS["nfs:old"]; !ok {
		t.Error("the backend that is only migrated from is not there")
	}
	for path, want := range map[string]string{"var/a/x": "s3 var/a", "var/b": "nfs "} {
		backend, rule := s.RouteOf(path)
		if rule == nil {
			rule = new(Rule)
		}
		if backend+" "+rule.Prefix != want {
			t.Errorf("%s goes to %s by %q, want %s", path, backend, rule.Prefix, want)
		}
	}
	s.DFS.DFSBackend = "nfs"
	if got := s.Migrations(); got != nil {
		t.Errorf("without a dispatcher: %v", got)
	}
}

func TestMigrationsFromUnknownBackends(t *testing.T) {
	_, err := Load(optionsFor(t, map[string]string{
		"file.ini": "[eZDFSClusteringSettings]\nDFSBackend=dispatcher\n[DispatchableDFS]\nMigrateFrom[var/a]=ftp\nMigrateFrom[var/b]=nfs:old\n",
	}))
	for _, want := range []string{
		`file.ini:4: [DispatchableDFS] MigrateFrom[var/a]: unknown backend "ftp"; use nfs`,
		`file.ini:5: [DispatchableDFS] MigrateFrom[var/b]: unknown backend "nfs:old": add a group [nfs:old] to file.ini`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestCheckOfMigrations(t *testing.T) {
	const site = "[eZDFSClusteringSettings]\nMountPointPath=mnt\nDFSBackend=dispatcher\n[DispatchableDFS]\n"
	for name, test := range map[string]struct{ ini, want string }{
		"fine":              {"PathBackends[var/site/a]=s3\nMigrateFrom[var/site/a]=nfs\n", ""},
		"to the default":    {"MigrateFrom[var/site/a]=s3\n", ""},
		"no rule":           {"MigrateFrom[var/site/a]=nfs\n", "does nothing: no rule takes its paths, which stay on nfs; add PathBackends[var/site/a]=BACKEND"},
		"rule is longer":    {"PathBackends[var/site/a/]=s3\nMigrateFrom[var/site/a]=nfs\n", "does nothing: no rule takes its paths"},
		"same backend":      {"PathBackends[var/site]=s3\nMigrateFrom[var/site/a]=s3\n", "does nothing: PathBackends[var/site] ("},
		"no prefix":         {"MigrateFrom[]=s3\n", "names no prefix; write MigrateFrom[prefix]=s3"},
		"never matches":     {"MigrateFrom[/var/a]=s3\n", "can never match: stored paths are relative, without a leading slash; write MigrateFrom[var/a]"},
		"covered":           {"MigrateFrom[var/site]=s3\nMigrateFrom[var/site/a]=s3:x\n", "does nothing: MigrateFrom[var/site] ("},
		"covers later ones": {"MigrateFrom[var/site/a]=s3\nMigrateFrom[var/site]=s3:x\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range Check(t.Context(), optionsFor(t, map[string]string{
				"file.ini": site + test.ini, "mnt/x": "", "dfsamazons3.ini": "[BackendSettings]\nBucket=x\n[s3:x]\nBucket=y\n",
			})) {
				if strings.HasPrefix(p.Key, "MigrateFrom") {
					got = append(got, p.String())
				}
			}
			if test.want == "" && len(got) > 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	problems := Check(t.Context(), optionsFor(t, map[string]string{"file.ini": "[DispatchableDFS]\nMigrateFrom[var/site/a]=s3\n"}))
	if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.HasPrefix(p.Message, "is not used: DFSBackend is ") }) {
		t.Errorf("without a dispatcher: %v", problems)
	}
}
