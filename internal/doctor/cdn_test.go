package doctor

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ezdfs/settings"
)

// withWebhook gives a site a rule and a receiver that answers everything.
func withWebhook(t *testing.T, s settings.Settings) settings.Settings {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(receiver.Close)
	s.Targets.Webhook = map[string]settings.WebhookTarget{"webhook:a": {Name: "webhook:a", URL: receiver.URL}}
	s.CDN.Rules = []settings.Rule{{Prefix: "var/", Backend: "webhook:a"}}
	return s
}

// cdnFindings returns what is found about the deliveries and targets.
func cdnFindings(t *testing.T, o Options) string {
	t.Helper()
	var found []string
	for f := range Examine(t.Context(), o) {
		if f.Subject == cdnSubject || strings.Contains(f.Subject, ":") {
			found = append(found, f.String())
		}
	}
	return strings.Join(found, "\n")
}

// That PHP's changes are not pushed is said with the statement that mends it.
func TestCDNUnseenChanges(t *testing.T) {
	s := withWebhook(t, mariadbSite(t))
	logging.Exec(t, "SET GLOBAL binlog_format = 'ROW', GLOBAL binlog_row_image = 'FULL'")
	logging.Exec(t, "CREATE OR REPLACE USER 'pusher'@'localhost';\nGRANT SELECT ON `"+s.DFS.DBName+"`.* TO 'pusher'@'localhost'")
	for _, test := range []struct{ source, user, want string }{
		{"auto", "", ""},
		{"binlog", "", ""},
		{"auto", "pusher", "warn  cdn: changes that PHP makes are not delivered: the binary log cannot be read: "},
		{"auto", "pusher", "; run GRANT REPLICATION SLAVE ON *.* TO 'pusher'@'localhost'"},
		{"journal", "", "warn  cdn: changes that PHP makes are not delivered: file.ini [ChangeFeed] has Source=journal; set it to auto"},
		{"none", "", "fail  cdn: no changes are delivered: file.ini [ChangeFeed] has Source=none; set it to auto"},
	} {
		s.Changes.Source, s.Changes.ReplicationUser = test.source, test.user
		found := cdnFindings(t, Options{Settings: s})
		if test.want == "" && strings.Contains(found, "PHP") || !strings.Contains(found, test.want) || !strings.Contains(found, "ok    webhook:a: ") {
			t.Errorf("%s as %q: %s", test.source, test.user, found)
		}
	}
}

// A replica is written to only where that is allowed.
func TestCDNReplica(t *testing.T) {
	s := withWebhook(t, site(t))
	mirror := filepath.Join(s.Root, "mirror")
	if err := os.MkdirAll(filepath.Join(mirror, "var"), 0o777); err != nil {
		t.Fatal(err)
	}
	s.NFS["nfs:mirror"] = settings.NFS{Name: "nfs:mirror", MountPointPath: mirror, FileMode: 0o666, DirMode: 0o777}
	s.Targets.Replicate = map[string]settings.Replicate{"replicate:a": {Name: "replicate:a", Backend: "nfs:mirror"}}
	for _, test := range []struct {
		write bool
		want  string
	}{{false, "ok    replicate:a: nfs:mirror: reachable"}, {true, "ok    replicate:a: wrote, read and deleted ezdfs-test/"}} {
		if found := cdnFindings(t, Options{Settings: s, Write: test.write}); !strings.Contains(found, test.want) {
			t.Errorf("write %v: %s", test.write, found)
		}
	}
	os.RemoveAll(mirror)
	if found := cdnFindings(t, Options{Settings: s}); !strings.Contains(found, "fail  replicate:a: nfs:mirror: ") {
		t.Error(found)
	}
}

// A target that was found to be set wrongly is not reported twice, and the
// others are.
func TestWrongTargets(t *testing.T) {
	s := withWebhook(t, site(t))
	s.Targets.Webhook["webhook:b"] = settings.WebhookTarget{Name: "webhook:b", URL: "nowhere"}
	s.CDN.Rules = append(s.CDN.Rules, settings.Rule{Prefix: "lib/", Backend: "webhook:a>"})
	found := WrongTargets(t.Context(), s, nil)
	if len(found) != 2 || found[0].Group != "webhook:b" || found[1].Group != "CDN" {
		t.Errorf("%+v", found)
	}
	if more := WrongTargets(t.Context(), s, found); len(more) != 0 {
		t.Errorf("again: %+v", more)
	}
}
