package settings

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"example.com/ezdfs/ini"
)

// checkRules looks at the rules of [DispatchableDFS].
func (c *checker) checkRules() {
	_, rules, contains := c.settings.Routing()
	if unused := c.settings.Dispatch.PathBackends; !c.settings.DFS.dispatches() && len(unused) > 0 {
		c.addRule(SeverityWarning, unused[0], fmt.Sprintf("no rule is used: DFSBackend is %s, so everything goes there",
			c.settings.DFS.DFSBackend), "set DFSBackend="+dispatcherNames[0])
	}
	for i, rule := range rules {
		if _, isIndex := (ini.Entry{Key: rule.Prefix}).Index(); isIndex {
			c.addRule(SeverityError, rule, "names no prefix", "write PathBackends[prefix]="+rule.Backend)
			continue
		}
		if strings.TrimSpace(rule.Prefix) != rule.Prefix {
			c.addRule(SeverityWarning, rule, "begins or ends with a blank, which is part of the prefix", "remove it")
		}
		if reason := neverMatches(rule.Prefix, contains); reason != "" {
			c.addRule(SeverityError, rule, "can never match: "+reason, fmt.Sprintf("write PathBackends[%s]", cleaned(rule.Prefix)))
		} else {
			c.checkShadowed(rules[:i], rule, contains)
		}
		if !contains {
			c.checkDifference(rule)
			c.checkInside(rule, rules[i+1:])
		}
	}
}

func (c *checker) addRule(severity Severity, rule Rule, message, fix string) {
	c.problems = append(c.problems, Problem{severity, rule.Origin, dispatchGroup, rule.key(), message, fix})
}

// neverMatches says why no stored path begins with prefix, or contains it;
// "" where one can. Paths are clean (contract section 1).
func neverMatches(prefix string, contains bool) string {
	start := "/" // of the first segment
	if contains {
		start = "" // the prefix may begin inside a segment
	}
	switch {
	case strings.Contains(prefix, `\`):
		return `stored paths have no backslash`
	case strings.Contains(prefix, "//"):
		return "stored paths have no empty segment"
	case strings.Contains(start+prefix, "/./"), strings.Contains(start+prefix, "/../"):
		return `stored paths have no "." or ".." segment`
	case strings.HasPrefix(prefix, "/") && !contains:
		return "stored paths are relative, without a leading slash"
	case strings.ContainsRune(prefix, 0) || !utf8.ValidString(prefix):
		return "stored paths are UTF-8"
	}
	return ""
}

// cleaned is the prefix that was probably meant.
func cleaned(prefix string) string {
	slashes := strings.ToValidUTF8(strings.NewReplacer(`\`, "/", "\x00", "").Replace(prefix), "\uFFFD")
	clean := strings.TrimPrefix(path.Clean("/"+slashes), "/")
	if strings.HasSuffix(slashes, "/") && clean != "" {
		clean += "/"
	}
	return clean
}

// takes reports whether a rule takes every path that one with the other
// prefix takes.
func takes(prefix, other string, contains bool) bool {
	if contains {
		return strings.Contains(other, prefix)
	}
	return strings.HasPrefix(other, prefix)
}

// checkShadowed looks for an earlier rule that leaves nothing to this one.
func (c *checker) checkShadowed(earlier []Rule, rule Rule, contains bool) {
	for _, first := range earlier {
		if !takes(first.Prefix, rule.Prefix, contains) {
			continue
		}
		if first.Backend == rule.Backend {
			c.addRule(SeverityWarning, rule, fmt.Sprintf("is not needed: %s (%s) sends its paths to the same backend already",
				first.key(), first.Origin), "remove it")
		} else {
			c.addRule(SeverityError, rule, fmt.Sprintf("can never match: %s (%s) comes first and takes every such path",
				first.key(), first.Origin), "move it before that rule")
		}
		return
	}
}

// checkDifference looks for a rule that the legacy code, which tests whether a
// path contains the key, would apply to paths of the site that do not begin
// with it.
func (c *checker) checkDifference(rule Rule) {
	varDir := c.settings.Files.VarDir + "/"
	meant := cleaned(rule.Prefix)
	switch {
	case neverMatches(rule.Prefix, true) != "", strings.HasPrefix(meant, varDir), strings.HasPrefix(varDir, rule.Prefix):
		return
	}
	top, _, _ := strings.Cut(varDir, "/")
	if strings.HasPrefix(meant, top+"/") {
		c.addRule(SeverityWarning, rule, "matches no path of this site, whose VarDir is "+c.settings.Files.VarDir,
			"keep it if another site of the cluster has that directory")
		return
	}
	whole := path.Join(varDir, meant)
	c.addRule(SeverityWarning, rule, fmt.Sprintf("prefix and contains routing differ: %s/example.png contains the key, so the legacy code "+
		"sends it to %s, but does not begin with it, so this rule does not take it", whole, rule.Backend),
		fmt.Sprintf("write PathBackends[%s], or set PathMatching=contains", whole))
}

// checkInside looks for a later rule whose paths the legacy code would give to
// this one, because they contain its key further inside.
func (c *checker) checkInside(rule Rule, later []Rule) {
	for _, other := range later {
		if strings.Index(other.Prefix, rule.Prefix) > 0 && other.Backend != rule.Backend {
			c.addRule(SeverityWarning, rule, fmt.Sprintf("prefix and contains routing differ: %s contains the key, so the legacy code "+
				"sends it to %s, but begins with that of %s (%s), which takes it", path.Join(other.Prefix, "example.png"),
				rule.Backend, other.key(), other.Origin), "move it after that rule, or set PathMatching=contains")
		}
	}
}
