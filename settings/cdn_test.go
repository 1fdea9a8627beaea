package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// cdnSite writes a site whose cdn.ini says this.
func cdnSite(t *testing.T, text string) Options {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "settings"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "settings", "cdn.ini"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return Options{Root: dir, Getenv: func(string) (string, bool) { return "", false }}
}

func TestCDNRules(t *testing.T) {
	s, err := Load(cdnSite(t, `
[CDN]
Rules[var/site/storage/images]=varnish:front,replicate:origin>fastly:media
Rules[var/site/]=varnish:front
DefaultTargets=webhook:all
RuleScopes[var/site/]=image,media
RuleKinds[var/site/]=store
RuleWarm[var/site/]=https://www.example.com
WhenLost=ignore
MaxBackoff=60
[webhook:all]
URL=http://127.0.0.1:1/
`))
	if err != nil {
		t.Fatal(err)
	}
	c := s.CDN
	if fmt.Sprint(len(c.Rules), c.Rules[0].Prefix, c.Rules[0].Backend, c.Rules[1].Origin.Line) !=
		"2var/site/storage/imagesvarnish:front,replicate:origin>fastly:media4" && len(c.Rules) != 2 {
		t.Errorf("%+v", c.Rules)
	}
	if c.Rules[1].Origin.Line != 4 || c.DefaultTargets != "webhook:all" || c.RuleScopes["var/site/"] != "image,media" ||
		c.WhenLost != "ignore" || c.MaxBackoff.Seconds() != 60 || c.MaxAttempts != 500 || c.CoalesceAbove != 5000 {
		t.Errorf("%+v", c)
	}
	if got := s.TargetNames(); !slices.Equal(got, []string{"webhook:all"}) {
		t.Errorf("%q", got)
	}
	if got := SplitList(" image, ,media "); !slices.Equal(got, []string{"image", "media"}) {
		t.Errorf("%q", got)
	}
}

func TestCheckCDN(t *testing.T) {
	const hook = "\n[webhook:all]\nURL=http://127.0.0.1:1/\n"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"fine", "[CDN]\nRules[var/]=webhook:all\nRuleKinds[var/]=store,expire\nRuleWarm[var/]=https://x" + hook, nil},
		{"nothing", "", nil},
		{"unknown", "[CDN]\nRules[var/]=webhook:all,fastly:x" + hook, []string{`[CDN] Rules[var/]: unknown target "fastly:x"; add a group [fastly:x] to cdn.ini`}},
		{"nearly", "[CDN]\nRules[var/]=webhook:al>webhook:all" + hook, []string{`unknown target "webhook:al"; write webhook:all`}},
		{"no name", "[CDN]\nRules[var/]=webhook:all," + hook, []string{"names no target before or after a comma"}},
		{"shadowed", "[CDN]\nRules[var/]=webhook:all\nRules[var/a/]=webhook:all" + hook, []string{"Rules[var/a/]: can never match: Rules[var/]"}},
		{"never", "[CDN]\nRules[/var/]=webhook:all" + hook, []string{"stored paths are relative, without a leading slash; write Rules[var/]"}},
		{"not used", "[CDN]\nRules[var/]=webhook:b\n[webhook:b]\nURL=http://b" + hook, []string{"warning: no rule of cdn.ini [CDN] names webhook:all"}},
		{"being set up", "[CDN]\n" + hook, nil},
		{"default", "[CDN]\nDefaultTargets=webhook:none" + hook, []string{`DefaultTargets: unknown target "webhook:none"`, "names webhook:all"}},
		{"restrictions", "[CDN]\nRules[var/]=webhook:all\nRuleScopes[var]=image\nRuleKinds[var/]=stored\nRuleWarm[var/]=www" + hook,
			[]string{"RuleScopes[var]: there is no rule of that prefix", `RuleKinds[var/]: "stored" is no kind`, "RuleWarm[var/]: is not a URL"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, p := range Check(t.Context(), cdnSite(t, c.text)) {
				if p.Group == cdnGroup || strings.Contains(p.Message, "[CDN]") {
					got = append(got, p.String())
				}
			}
			if len(got) != len(c.want) {
				t.Fatalf("%q", got)
			}
			for _, want := range c.want {
				if !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, want) }) {
					t.Errorf("%q lack %q", got, want)
				}
			}
		})
	}
}
