package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const fastlyWithFile = "[fastly:a]\nServiceID=a\nTokenFile=secrets/token\n"

// secretSite writes a site whose token stands in a file, "" for no file.
func secretSite(t *testing.T, cdn, token string, mode os.FileMode, env map[string]string) Options {
	t.Helper()
	opts := writeTargets(t, cdn, env)
	file := filepath.Join(opts.Root, "secrets", "token")
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if token != "" {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	return opts
}

// A secret is read from a file, without its newline; what is set itself, in the
// file or the environment, comes first. No place shows it.
func TestSecretFile(t *testing.T) {
	for _, test := range []struct {
		name, cdn, token, want string
		env                    map[string]string
	}{
		{"a line", fastlyWithFile, "hush\n", "hush", nil},
		{"a line of Windows", fastlyWithFile, "hush\r\n", "hush", nil},
		{"no newline, and blanks", fastlyWithFile, " hu sh ", " hu sh ", nil},
		{"set itself", fastlyWithFile + "Token=said\n", "hush", "said", nil},
		{"of the environment", fastlyWithFile, "hush", "env", map[string]string{"DFS_FASTLY_A_TOKEN": "env"}},
		{"a file of the environment", "[fastly:a]\nServiceID=a\n", "hush", "hush", map[string]string{"DFS_FASTLY_A_TOKEN_FILE": "secrets/token"}},
	} {
		s, err := Load(secretSite(t, test.cdn, test.token, 0o600, test.env))
		if got := s.Targets.Fastly["fastly:a"].Token.Reveal(); got != test.want || err != nil || s.TargetError("fastly:a") != nil {
			t.Errorf("%s: %q, %v, %v", test.name, got, err, s.TargetError("fastly:a"))
		}
		for _, entry := range s.Entries() {
			if entry.Key == "Token" && (entry.Value != "********" || entry.Origin == (Origin{})) {
				t.Errorf("%s: %+v", test.name, entry)
			}
		}
		if strings.Contains(fmt.Sprintf("%+v", s.Entries()), "hush") {
			t.Errorf("%s: the secret is shown", test.name)
		}
	}
}

// What is wrong with the file of a secret is said where the target is used and
// by the check, with its place and without what is in it, and keeps nobody
// from reading the other settings.
func TestSecretFileUnreadable(t *testing.T) {
	for token, want := range map[string]string{
		"":                                  "cannot be read: no such file",
		"\n":                                "is empty",
		"hush\nhush\n":                      "alone, on one line",
		strings.Repeat("hush", maxSecret/2): "alone, on one line",
	} {
		opts := secretSite(t, fastlyWithFile, token, 0o600, nil)
		s, err := Load(opts)
		if err != nil || s.Targets.Fastly["fastly:a"].ServiceID != "a" {
			t.Errorf("%.10q: %v", token, err)
		}
		wrong := s.TargetError("fastly:a")
		if wrong == nil || !strings.Contains(wrong.Error(), want) || !strings.Contains(wrong.Error(), "cdn.ini:3: [fastly:a] TokenFile: ") || strings.Contains(wrong.Error(), "hush") {
			t.Errorf("%.10q: %v", token, wrong)
		}
		if s.TargetError("fastly:b") != nil {
			t.Error("another target has the error too")
		}
		var keys []string
		for _, p := range Check(t.Context(), opts) {
			if p.Group == "fastly:a" && p.Severity == SeverityError {
				keys = append(keys, p.Key)
			}
		}
		if fmt.Sprint(keys) != "[TokenFile]" {
			t.Errorf("%.10q: errors of %v", token, keys)
		}
	}
}

// A file that everybody can read, and one that is not read, are warned of.
func TestCheckSecretFile(t *testing.T) {
	for _, test := range []struct {
		name, cdn string
		mode      os.FileMode
		env       map[string]string
		want      string
	}{
		{"private", fastlyWithFile, 0o640, nil, ""},
		{"public", fastlyWithFile, 0o644, nil, "can be read by every user"},
		{"public, of credentials", "[akamai:a]\nCredentialsFile=secrets/token\n", 0o644, nil, "can be read by every user"},
		{"unused", fastlyWithFile + "Token=x\n", 0o600, nil, "is not read: Token is set"},
		{"overridden", fastlyWithFile, 0o600, map[string]string{"DFS_FASTLY_A_TOKEN": "env"}, ""},
	} {
		var found []string
		for _, p := range Check(t.Context(), secretSite(t, test.cdn, "hush", test.mode, test.env)) {
			if p.Key == "TokenFile" || p.Key == "CredentialsFile" {
				found = append(found, p.String())
			}
		}
		text := strings.Join(found, "; ")
		if test.want == "" && text != "" || !strings.Contains(text, test.want) {
			t.Errorf("%s: %s", test.name, text)
		}
	}
}

// Every secret of a target can stand in a file.
func TestEverySecretHasAFile(t *testing.T) {
	for _, k := range kinds() {
		if !k.target {
			continue
		}
		keys := keysOf(k.zero())
		for f := range k.zero().all() {
			if _, ok := f.value.Interface().(Secret); !ok {
				continue
			}
			if text := strings.Join(keys, " "); !strings.Contains(text+" ", f.key()+"File ") {
				t.Errorf("%s has no %sFile", k.name, f.key())
			}
		}
	}
}
