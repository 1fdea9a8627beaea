package settings

import (
	"fmt"
	"slices"
	"strings"

	"example.com/ezdfs/internal/nearest"
)

// The groups of file.ini that decide where paths go.
const (
	dfsGroup      = "eZDFSClusteringSettings"
	dispatchGroup = "DispatchableDFS"
)

// legacyBackends are the PHP classes of backends (contract section 4).
var legacyBackends = []struct{ class, name string }{
	{"eZDFSFileHandlerDFSBackend", "nfs"},
	{"eZDFSFileHandlerDFSAmazon", "s3"},
}

// dispatcherNames are the values of DFSBackend that make [DispatchableDFS]
// apply: the extension's class and our own name.
var dispatcherNames = []string{"eZDFSFileHandlerDFSDispatcher", "dispatcher"}

// BackendName returns the instance that a backend's name in the settings
// means, "nfs" or "s3:media", and false for a name that means none: a legacy
// class, in any case, a kind of backend, or a kind and an instance's name of
// letters, digits, ".", "_" and "-". Whether the instance has settings is not
// its concern.
func BackendName(classOrName string) (string, bool) {
	for _, legacy := range legacyBackends {
		if strings.EqualFold(classOrName, legacy.class) {
			return legacy.name, true
		}
	}
	name, instance, named := strings.Cut(classOrName, ":")
	isKind := slices.ContainsFunc(kinds(), func(k kind) bool { return k.name == name && !k.target })
	if !isKind || named && (instance == "" || strings.ContainsFunc(instance, isNotNameRune)) {
		return "", false
	}
	return classOrName, true
}

func isNotNameRune(r rune) bool {
	isLetter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	return !isLetter && !('0' <= r && r <= '9') && !strings.ContainsRune("._-", r)
}

// dispatches reports whether [DispatchableDFS] applies.
func (d DFS) dispatches() bool {
	return slices.ContainsFunc(dispatcherNames, func(name string) bool {
		return strings.EqualFold(name, d.DFSBackend)
	})
}

// Routing returns what decides where a path goes: the backend of the paths
// that no rule takes, the rules in order, with instance names for backends,
// and whether a rule takes the paths that contain its prefix anywhere, as the
// legacy code tests, instead of those that begin with it. A backend that is
// not known stays as it is; [Load] has refused it.
func (s Settings) Routing() (def string, rules []Rule, contains bool) {
	if !s.DFS.dispatches() {
		return resolved(s.DFS.DFSBackend), nil, false
	}
	for _, rule := range s.Dispatch.PathBackends {
		rule.Backend = resolved(rule.Backend)
		rules = append(rules, rule)
	}
	return resolved(s.Dispatch.DefaultBackend), rules, s.Dispatch.PathMatching == "contains"
}

// Migrations returns the prefixes whose files may still lie on another backend
// than the one that they are routed to, in order, with instance names for
// backends: [DispatchableDFS] MigrateFrom. Where nothing is dispatched there are
// none.
func (s Settings) Migrations() (rules []Rule) {
	if !s.DFS.dispatches() {
		return nil
	}
	for _, rule := range s.Dispatch.MigrateFrom {
		rule.Backend = resolved(rule.Backend)
		rules = append(rules, rule)
	}
	return rules
}

func resolved(name string) string {
	if instance, ok := BackendName(name); ok {
		return instance
	}
	return name
}

// routed is the set of the instances that the routing names, those included
// that paths migrate from.
func (s Settings) routed() map[string]bool {
	def, rules, _ := s.Routing()
	names := map[string]bool{def: true}
	for _, rule := range slices.Concat(rules, s.Migrations()) {
		names[rule.Backend] = true
	}
	return names
}

// unknownBackend says what to do about a backend that nobody knows; more are
// the classes that may stand there besides those of backends.
func unknownBackend(name string, more ...string) string {
	var classes []string
	for _, legacy := range legacyBackends {
		classes = append(classes, legacy.class)
	}
	classes = append(classes, more...)
	if near, ok := nearest.Name(name, classes, 2); ok {
		return fmt.Sprintf("unknown backend %q; did you mean %s?", name, near)
	}
	return fmt.Sprintf("unknown backend %q; use nfs, s3, gcs, a named instance such as s3:media, or one of the classes %s",
		name, strings.Join(classes, ", "))
}

// checkBackends refuses the backends that nobody knows.
func (l *loader) checkBackends() {
	dfs, dispatch := l.settings.DFS, l.settings.Dispatch
	known := func(name string) bool { _, ok := BackendName(name); return ok }
	if !dfs.dispatches() {
		if !known(dfs.DFSBackend) {
			l.rejectSetting(dfsGroup, "DFSBackend", unknownBackend(dfs.DFSBackend, dispatcherNames[0]))
		}
		return
	}
	if !known(dispatch.DefaultBackend) {
		l.rejectSetting(dispatchGroup, "DefaultBackend", unknownBackend(dispatch.DefaultBackend))
	}
	for _, rule := range dispatch.PathBackends {
		if !known(rule.Backend) {
			l.rejectRule(rule.key(), rule, unknownBackend(rule.Backend))
		}
	}
	for _, rule := range dispatch.MigrateFrom {
		if !known(rule.Backend) {
			l.rejectRule(rule.migrationKey(), rule, unknownBackend(rule.Backend))
		}
	}
}

// key is how the rule stands in the INI file.
func (r Rule) key() string { return "PathBackends[" + r.Prefix + "]" }

// migrationKey is how it stands there as one of MigrateFrom.
func (r Rule) migrationKey() string { return "MigrateFrom[" + r.Prefix + "]" }

func (l *loader) rejectRule(key string, rule Rule, reason string) {
	l.errs = append(l.errs, &ValueError{Origin: rule.Origin, Group: dispatchGroup, Key: key, Reason: reason})
}

// rejectSetting reports a value of file.ini.
func (l *loader) rejectSetting(group, key, reason string) {
	l.errs = append(l.errs, &ValueError{Origin: l.settings.originOf("file.ini", group, key),
		Group: group, Key: key, Reason: reason})
}
