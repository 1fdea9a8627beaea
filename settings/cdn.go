package settings

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"example.com/ezdfs/internal/nearest"
)

// CDN is [CDN] of cdn.ini: who is told of which changes, and how hard it is
// tried.
type CDN struct {
	Rules          []Rule            `key:"Rules" doc:"Rules in order, Rules[prefix]=target,target; the first that a path begins with wins. With a>b target b is told once a took the change: a bucket before the CDN in front of it."`
	DefaultTargets string            `key:"DefaultTargets" doc:"Targets of the paths that no rule takes; empty for none."`
	RuleScopes     map[string]string `key:"RuleScopes" doc:"Scopes whose changes the rule of a prefix is about, RuleScopes[prefix]=image,media; all by default."`
	RuleKinds      map[string]string `key:"RuleKinds" doc:"Kinds of changes that the rule of a prefix is about, RuleKinds[prefix]=store,expire; all by default."`
	RuleWarm       map[string]string `key:"RuleWarm" doc:"Base of the URLs under which files of the rule of a prefix are requested once a cache forgot them, RuleWarm[prefix]=https://www.example.com; none by default."`

	Serve       bool   `key:"Serve" default:"enabled" doc:"Whether dfsctl serve delivers too; elsewhere dfsctl cdn run does."`
	AdminListen string `key:"AdminListen" env:"DFS_CDN_ADMIN_LISTEN" doc:"Where dfsctl cdn run tells about itself: /healthz, /readyz, /metrics; empty for nowhere. Not for the public."`

	WhenLost      string        `key:"WhenLost" oneof:"invalidate|ignore" default:"invalidate" doc:"What to do when changes were missed for good, because the binary log or the journal was pruned: invalidate everything at every target, or go on with the newest change."`
	MaxAttempts   int           `key:"MaxAttempts" min:"1" default:"500" doc:"How often a delivery is tried before it is set aside as failed."`
	MaxBackoff    time.Duration `key:"MaxBackoff" min:"1" default:"300" doc:"Seconds between two attempts at most; the first pause is a second."`
	Lease         time.Duration `key:"Lease" min:"3" default:"30" doc:"Seconds after which other hosts take over the deliveries of one that died."`
	CoalesceAbove int           `key:"CoalesceAbove" default:"5000" doc:"Files that may wait for one target before directories of which most files changed are invalidated as a whole; 0 for never."`
	Retention     time.Duration `key:"Retention" min:"60" default:"86400" doc:"Seconds for which it is remembered what was delivered."`
}

// cdnGroup is the group of [CDN].
const cdnGroup = "CDN"

// changeKinds are the words of RuleKinds: those of metadata.Kind.
var changeKinds = []string{"store", "expire", "purge", "copy", "move", "repair", "expire-prefix", "expire-trunk",
	"expire-wildcard", "expire-scope", "truncate"}

// SplitList takes a list of words apart that commas separate, without blanks.
func SplitList(text string) []string {
	var words []string
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// TargetNames lists the targets that there are, "varnish:front", in order.
func (s Settings) TargetNames() []string {
	var names []string
	for _, k := range kinds() {
		if k.target {
			names = append(names, slices.Collect(maps.Keys(mapKeys(reflect.ValueOf(s).FieldByIndex(k.index))))...)
		}
	}
	slices.Sort(names)
	return names
}

// checkCDN looks at the rules of [CDN].
func (c *checker) checkCDN() {
	cdn := c.settings.CDN
	used := map[string]bool{}
	for i, rule := range cdn.Rules {
		key := "Rules[" + rule.Prefix + "]"
		add := func(severity Severity, message, fix string) {
			c.problems = append(c.problems, Problem{severity, rule.Origin, cdnGroup, key, message, fix})
		}
		if reason := neverMatches(rule.Prefix, false); reason != "" {
			add(SeverityError, "can never match: "+reason, fmt.Sprintf("write Rules[%s]", cleaned(rule.Prefix)))
		}
		for _, first := range cdn.Rules[:i] {
			if strings.HasPrefix(rule.Prefix, first.Prefix) {
				add(SeverityError, fmt.Sprintf("can never match: Rules[%s] (%s) comes first and takes every such path", first.Prefix, first.Origin), "move it before that rule")
				break
			}
		}
		c.checkTargetList(rule.Backend, used, add)
	}
	if cdn.DefaultTargets != "" {
		c.checkTargetList(cdn.DefaultTargets, used, func(severity Severity, message, fix string) {
			c.add(severity, "cdn.ini", cdnGroup, "DefaultTargets", message, fix)
		})
	}
	for _, name := range c.settings.TargetNames() {
		if !used[name] && len(used) > 0 { // without rules the targets are being set up
			c.problems = append(c.problems, Problem{Severity: SeverityWarning, Group: name,
				Message: "no rule of cdn.ini [CDN] names " + name + ", so it is told nothing", Fix: "add it to a rule, or remove its group"})
		}
	}
	c.checkRestrictions()
}

// checkTargetList looks at the targets of one rule and notes them.
func (c *checker) checkTargetList(text string, used map[string]bool, add func(Severity, string, string)) {
	names := c.settings.TargetNames()
	for chain := range strings.SplitSeq(text, ",") {
		for name := range strings.SplitSeq(chain, ">") {
			name = strings.TrimSpace(name)
			used[name] = true
			switch near, ok := nearest.Name(name, names, 2); {
			case name == "":
				add(SeverityError, "names no target before or after a comma or >", "write target,target")
			case slices.Contains(names, name):
			case ok:
				add(SeverityError, fmt.Sprintf("unknown target %q", name), "write "+near)
			default:
				add(SeverityError, fmt.Sprintf("unknown target %q", name), fmt.Sprintf("add a group [%s] to cdn.ini", name))
			}
		}
	}
}

// checkRestrictions looks at what is said of rules by their prefix.
func (c *checker) checkRestrictions() {
	cdn := c.settings.CDN
	all := map[string]map[string]string{"RuleScopes": cdn.RuleScopes, "RuleKinds": cdn.RuleKinds, "RuleWarm": cdn.RuleWarm}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		words := all[name]
		for _, prefix := range slices.Sorted(maps.Keys(words)) {
			key := name + "[" + prefix + "]"
			if !slices.ContainsFunc(cdn.Rules, func(r Rule) bool { return r.Prefix == prefix }) {
				c.add(SeverityError, "cdn.ini", cdnGroup, key, "there is no rule of that prefix", "write Rules["+prefix+"]=target, or remove it")
			}
			for _, word := range SplitList(words[prefix]) {
				if name == "RuleKinds" && !slices.Contains(changeKinds, word) {
					c.add(SeverityError, "cdn.ini", cdnGroup, key, fmt.Sprintf("%q is no kind of change", word), "use "+strings.Join(changeKinds, ", "))
				}
			}
			if name == "RuleWarm" {
				c.checkURL(section{file: "cdn.ini", group: cdnGroup}, key, words[prefix])
			}
		}
	}
}
