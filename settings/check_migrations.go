package settings

import (
	"fmt"

	"example.com/ezdfs/ini"
)

// checkMigrations looks at MigrateFrom of [DispatchableDFS]. None of its
// mistakes keeps the cluster from serving, but each keeps a migration from
// being one.
func (c *checker) checkMigrations() {
	if unused := c.settings.Dispatch.MigrateFrom; !c.settings.DFS.dispatches() && len(unused) > 0 {
		c.addMigration(SeverityWarning, unused[0], fmt.Sprintf("is not used: DFSBackend is %s, so everything goes there",
			c.settings.DFS.DFSBackend), "set DFSBackend="+dispatcherNames[0])
	}
	migrations := c.settings.Migrations()
	for i, m := range migrations {
		if _, isIndex := (ini.Entry{Key: m.Prefix}).Index(); isIndex {
			c.addMigration(SeverityError, m, "names no prefix", "write MigrateFrom[prefix]="+m.Backend)
			continue
		}
		if reason := neverMatches(m.Prefix, false); reason != "" {
			c.addMigration(SeverityError, m, "can never match: "+reason, fmt.Sprintf("write MigrateFrom[%s]", cleaned(m.Prefix)))
			continue
		}
		to, rule := c.settings.RouteOf(m.Prefix)
		switch {
		case to != m.Backend:
			c.checkCovered(migrations[:i], m, to)
		case rule == nil:
			c.addMigration(SeverityError, m, fmt.Sprintf("does nothing: no rule takes its paths, which stay on %s", to),
				fmt.Sprintf("add PathBackends[%s]=BACKEND with the backend that they migrate to", m.Prefix))
		default:
			c.addMigration(SeverityError, m, fmt.Sprintf("does nothing: %s (%s) sends its paths to %s as well", rule.key(), rule.Origin, to),
				"remove it, or name the backend that the files lie on")
		}
	}
}

// checkCovered looks for an earlier migration that covers all of this one.
func (c *checker) checkCovered(earlier []Rule, m Rule, to string) {
	for _, first := range earlier {
		if firstTo, _ := c.settings.RouteOf(first.Prefix); takes(first.Prefix, m.Prefix, false) && firstTo == to {
			c.addMigration(SeverityError, m, fmt.Sprintf("does nothing: %s (%s) comes first and covers its paths",
				first.migrationKey(), first.Origin), "move it before that line, or remove it")
			return
		}
	}
}

func (c *checker) addMigration(severity Severity, m Rule, message, fix string) {
	c.problems = append(c.problems, Problem{severity, m.Origin, dispatchGroup, m.migrationKey(), message, fix})
}

// RouteOf returns the instance that a path goes to, and the rule that sends it
// there, nil for the default backend.
func (s Settings) RouteOf(path string) (backend string, rule *Rule) {
	def, rules, contains := s.Routing()
	for i := range rules {
		if takes(rules[i].Prefix, path, contains) {
			return rules[i].Backend, &rules[i]
		}
	}
	return def, nil
}
