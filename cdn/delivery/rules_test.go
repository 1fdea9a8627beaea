package delivery

import (
	"fmt"
	"strings"
	"testing"

	"example.com/ezdfs/metadata"
)

func TestRules(t *testing.T) {
	rules, err := NewRules([]Rule{
		{Prefix: "var/s/storage/images-versioned", Targets: "t:v"},
		{Prefix: "", Targets: "t:rest"},
		{Prefix: "var/s/storage/images", Targets: "t:a>t:b, t:c,t:a > t:d", Scopes: []string{"image"}, Kinds: []metadata.Kind{metadata.KindStore}},
		{Prefix: "var/s/storage/images/shadowed", Targets: "t:never"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"var/s/storage/images/a":           "[{t:a t:b,t:d} {t:c }]",
		"var/s/storage/images/shadowed/a":  "[{t:a t:b,t:d} {t:c }]",
		"var/s/storage/images-versioned/a": "[{t:v }]",
		"var/t":                            "[{t:rest }]",
	} {
		if got := fmt.Sprint(rules.of(path).routes); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := fmt.Sprint(rules.Targets()); got != "[t:a t:b t:c t:d t:never t:rest t:v]" {
		t.Error(got)
	}
	one := rules.of("var/s/storage/images/a")
	for _, c := range []struct {
		kind  metadata.Kind
		scope string
		want  bool
	}{
		{metadata.KindStore, "image", true}, {metadata.KindStore, "", true}, {metadata.KindStore, "media", false},
		{metadata.KindExpire, "image", false}, {"", "image", true},
	} {
		if one.takes(c.kind, c.scope) != c.want {
			t.Errorf("%+v", c)
		}
	}
	for prefix, want := range map[string]string{
		"":                               "var/s/storage/images-versioned var/s/storage/images var/s/storage/images/shadowed ",
		"var/s/storage/images/x":         "var/s/storage/images/x",
		"var/s/storage/im":               "var/s/storage/images-versioned var/s/storage/images var/s/storage/images/shadowed var/s/storage/im",
		"var/s/storage/images-versioned": "var/s/storage/images-versioned",
	} {
		var parts []string
		for _, c := range rules.covering(prefix) {
			parts = append(parts, c.prefix)
		}
		if got := strings.Join(parts, " "); got != want {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
}

func TestRulesMistakes(t *testing.T) {
	for text, list := range map[string][]Rule{
		"names no target": {{Prefix: "var/", Targets: "t:a,"}},
		`"t:a>" names no`: {{Prefix: "var/", Targets: "t:a>"}},
		`">t:b" names no`: {{Prefix: "var/", Targets: ">t:b"}},
		"have no prefix":  {{Targets: "t:a"}, {Targets: "t:b"}},
	} {
		if _, err := NewRules(list); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %q", err, text)
		}
	}
}
