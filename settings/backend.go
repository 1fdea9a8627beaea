package settings

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Engine is a kind of metadata store.
type Engine string

// The engines there are.
const (
	MySQL  Engine = "MySQL"
	SQLite Engine = "SQLite"
)

// legacyEngines are the PHP classes of MySQL, by contract section 11.
var legacyEngines = []string{"eZDFSFileHandlerMySQLiBackend", "eZDFSFileHandlerMySQLBackend"}

// ParseEngine returns the engine that DBBackend names: itself, or by a legacy
// class. Case does not matter, as in PHP's class names.
func ParseEngine(name string) (Engine, error) {
	for _, engine := range []Engine{MySQL, SQLite} {
		if strings.EqualFold(name, string(engine)) {
			return engine, nil
		}
	}
	for _, class := range legacyEngines {
		if strings.EqualFold(name, class) {
			return MySQL, nil
		}
	}
	return "", fmt.Errorf("unknown engine %q; use %s, MySQL or SQLite", name, legacyEngines[0])
}

// Engine returns the engine that DBBackend names.
func (d DFS) Engine() (Engine, error) { return ParseEngine(d.DBBackend) }

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
	isKind := slices.ContainsFunc(kinds(), func(k kind) bool { return k.name == name })
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

func resolved(name string) string {
	if instance, ok := BackendName(name); ok {
		return instance
	}
	return name
}

// routed is the set of the instances that the routing names.
func (s Settings) routed() map[string]bool {
	def, rules, _ := s.Routing()
	names := map[string]bool{def: true}
	for _, rule := range rules {
		names[rule.Backend] = true
	}
	return names
}

// checkEngine refuses an unknown engine and finds SQLite's file.
func (l *loader) checkEngine() {
	engine, err := l.settings.DFS.Engine()
	if err != nil {
		l.rejectSetting(dfsGroup, "DBBackend", err.Error())
	}
	name := l.settings.DFS.DBName
	if engine == SQLite && isFile(name) {
		l.settings.DFS.DBName = l.fromRoot(name)
	}
}

// isFile reports whether SQLite takes the name for a path.
func isFile(name string) bool {
	return name != ":memory:" && !strings.HasPrefix(name, "file:")
}

// backendAdvice is what to do about an unknown backend.
const backendAdvice = "use nfs, s3, gcs, a named instance such as s3:media, or a legacy class"

// checkBackends refuses the backends that nobody knows.
func (l *loader) checkBackends() {
	dfs, dispatch := l.settings.DFS, l.settings.Dispatch
	known := func(name string) bool { _, ok := BackendName(name); return ok }
	unknown := func(name string) string { return fmt.Sprintf("unknown backend %q; %s", name, backendAdvice) }
	if !dfs.dispatches() {
		if !known(dfs.DFSBackend) {
			l.rejectSetting(dfsGroup, "DFSBackend",
				unknown(dfs.DFSBackend)+"; to route by [DispatchableDFS], "+dispatcherNames[0])
		}
		return
	}
	if !known(dispatch.DefaultBackend) {
		l.rejectSetting(dispatchGroup, "DefaultBackend", unknown(dispatch.DefaultBackend))
	}
	for _, rule := range dispatch.PathBackends {
		if !known(rule.Backend) {
			l.rejectRule(rule, unknown(rule.Backend))
		}
	}
}

// key is how the rule stands in the INI file.
func (r Rule) key() string { return "PathBackends[" + r.Prefix + "]" }

func (l *loader) rejectRule(rule Rule, reason string) {
	l.errs = append(l.errs, &ValueError{Origin: rule.Origin, Group: dispatchGroup, Key: rule.key(), Reason: reason})
}

// rejectSetting reports a value of file.ini.
func (l *loader) rejectSetting(group, key, reason string) {
	l.errs = append(l.errs, &ValueError{Origin: l.settings.originOf("file.ini", group, key),
		Group: group, Key: key, Reason: reason})
}

// fillKind makes the instances of one kind of backend.
func (l *loader) fillKind(k kind) {
	byName := reflect.ValueOf(&l.settings).Elem().Field(k.index)
	byName.Set(reflect.MakeMap(byName.Type()))
	routed := l.settings.routed()
	for _, name := range l.candidates(k, routed) {
		fields := l.instance(k, name)
		store := storeOf(fields)
		if name == k.name && !routed[name] && store == "" {
			continue // the empty group that the legacy extension ships
		}
		if name != k.name && store == "" && !l.hasGroup(k, name) {
			l.rejectInstance(k, name)
		}
		byName.SetMapIndex(reflect.ValueOf(name), fields)
	}
}

// candidates lists the instances that there may be: the default one, those
// that the routing names, those that have a group.
func (l *loader) candidates(k kind, routed map[string]bool) []string {
	names := map[string]bool{k.name: true}
	for name := range routed {
		if strings.HasPrefix(name, k.name+":") {
			names[name] = true
		}
	}
	if doc := l.docs[k.file]; doc != nil {
		for _, group := range doc.Groups() {
			if name, ok := BackendName(group); ok && strings.HasPrefix(name, k.name+":") {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// instance reads one instance. The default NFS tree has no group of its own:
// its mount is that of the cluster, its modes are those of site.ini, which
// named trees have too unless they say otherwise.
func (l *loader) instance(k kind, name string) reflect.Value {
	fields := reflect.New(k.elem).Elem()
	fields.FieldByName("Name").SetString(name)
	if nfs, ok := fields.Addr().Interface().(*NFS); ok {
		nfs.FileMode, nfs.DirMode = l.settings.Files.FileMode, l.settings.Files.DirMode
		if name == k.name {
			nfs.MountPointPath = l.settings.DFS.MountPointPath
		}
	}
	if group := k.groupOf(name); group != "" {
		l.fillSection(section{k.file, group, name, fields})
	}
	return fields
}

// storeOf returns what an instance cannot be without: its mount or bucket.
func storeOf(fields reflect.Value) string {
	for _, name := range []string{"MountPointPath", "Bucket"} {
		if f := fields.FieldByName(name); f.IsValid() {
			return f.String()
		}
	}
	return ""
}

func (l *loader) hasGroup(k kind, name string) bool {
	doc := l.docs[k.file]
	return doc != nil && slices.Contains(doc.Groups(), name)
}

// rejectInstance reports an instance that is named but has no settings, at
// each place that names it.
func (l *loader) rejectInstance(k kind, name string) {
	reason := fmt.Sprintf("unknown backend %q: add a group [%s] to %s", name, name, k.file)
	s := l.settings
	for _, rule := range s.Dispatch.PathBackends {
		if s.DFS.dispatches() && rule.Backend == name {
			l.rejectRule(rule, reason)
		}
	}
	if s.DFS.DFSBackend == name {
		l.rejectSetting(dfsGroup, "DFSBackend", reason)
	}
	if s.DFS.dispatches() && s.Dispatch.DefaultBackend == name {
		l.rejectSetting(dispatchGroup, "DefaultBackend", reason)
	}
}
