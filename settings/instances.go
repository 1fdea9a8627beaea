package settings

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// fillKind makes the instances of one kind.
func (l *loader) fillKind(k kind) {
	byName := reflect.ValueOf(&l.settings).Elem().FieldByIndex(k.index)
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
			if k.isInstance(group) {
				names[group] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// instance reads one instance. The default NFS tree has no group of its own:
// its mount and trash are those of the cluster, its modes are those of site.ini, which
// named trees have too unless they say otherwise.
func (l *loader) instance(k kind, name string) reflect.Value {
	fields := reflect.New(k.elem).Elem()
	fields.FieldByName("Name").SetString(name)
	if nfs, ok := fields.Addr().Interface().(*NFS); ok {
		nfs.FileMode, nfs.DirMode = l.settings.Files.FileMode, l.settings.Files.DirMode
		if name == k.name {
			nfs.MountPointPath, nfs.Trash = l.settings.DFS.MountPointPath, l.settings.DFS.Trash
		}
	}
	if group := k.groupOf(name); group != "" {
		s := section{k.file, group, name, fields}
		l.fillSection(s)
		l.readSecrets(s)
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
			l.rejectRule(rule.key(), rule, reason)
		}
	}
	for _, rule := range s.Migrations() {
		if rule.Backend == name {
			l.rejectRule(rule.migrationKey(), rule, reason)
		}
	}
	if s.DFS.DFSBackend == name {
		l.rejectSetting(dfsGroup, "DFSBackend", reason)
	}
	if s.DFS.dispatches() && s.Dispatch.DefaultBackend == name {
		l.rejectSetting(dispatchGroup, "DefaultBackend", reason)
	}
}
