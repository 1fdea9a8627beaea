package delivery

import (
	"errors"
	"strings"

	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// FromSettings returns the rules of cdn.ini [CDN], and options that are as the
// settings there say. The caller adds a logger and a registry. No rules are an
// error: nobody would be told anything.
func FromSettings(c settings.CDN) (*Rules, Options, error) {
	o := Options{
		Lease: c.Lease, IgnoreLost: c.WhenLost == "ignore", MaxAttempts: c.MaxAttempts, MaxBackoff: c.MaxBackoff,
		CoalesceAbove: c.CoalesceAbove, Retention: c.Retention,
	}
	if o.CoalesceAbove == 0 {
		o.CoalesceAbove = -1
	}
	var list []Rule
	for _, r := range c.Rules {
		one := Rule{Prefix: r.Prefix, Targets: r.Backend, Scopes: settings.SplitList(c.RuleScopes[r.Prefix]), Warm: strings.TrimSpace(c.RuleWarm[r.Prefix])}
		for _, kind := range settings.SplitList(c.RuleKinds[r.Prefix]) {
			one.Kinds = append(one.Kinds, metadata.Kind(kind))
		}
		list = append(list, one)
	}
	if c.DefaultTargets != "" {
		list = append(list, Rule{Targets: c.DefaultTargets})
	}
	if len(list) == 0 {
		return nil, o, errors.New("cdn.ini [CDN] has no rules, so nobody is told of changes; write Rules[prefix]=target")
	}
	rules, err := NewRules(list)
	return rules, o, err
}
