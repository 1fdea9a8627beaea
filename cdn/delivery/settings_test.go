package delivery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func TestFromSettings(t *testing.T) {
	c := settings.Defaults().CDN
	if _, _, err := FromSettings(c); err == nil || !strings.Contains(err.Error(), "no rules") {
		t.Errorf("without rules: %v", err)
	}
	c.Rules = []settings.Rule{{Prefix: "var/a", Backend: "t:a>t:b"}, {Prefix: "var/", Backend: "t:c"}}
	c.DefaultTargets = "t:d"
	c.RuleScopes = map[string]string{"var/a": "image, media"}
	c.RuleKinds = map[string]string{"var/a": "store"}
	c.RuleWarm = map[string]string{"var/": "https://www.example.com"}
	c.WhenLost, c.CoalesceAbove = "ignore", 0
	rules, o, err := FromSettings(c)
	if err != nil {
		t.Fatal(err)
	}
	if o.Lease != 30*time.Second || !o.IgnoreLost || o.MaxAttempts != 500 || o.MaxBackoff != 5*time.Minute || o.CoalesceAbove >= 0 || o.Retention != 24*time.Hour {
		t.Errorf("%+v", o)
	}
	one := rules.of("var/a/b")
	if fmt.Sprint(one.routes, one.Scopes, one.Kinds) != "[{t:a t:b}] [image media] [store]" || one.takes(metadata.KindExpire, "image") {
		t.Errorf("%+v", one)
	}
	if rules.of("var/b").Warm != "https://www.example.com" || rules.of("design/x").routes[0].target != "t:d" {
		t.Error("the other rules")
	}
}
