package settings

import (
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// settingID names one setting of all.
type settingID struct{ file, group, key string }

// section is a struct of settings and the group that its keys stand in.
type section struct {
	file, group string
	instance    string        // "s3:media" for an instance, else ""
	fields      reflect.Value // the struct, addressable
}

// field is one setting of a section.
type field struct {
	section
	tag   reflect.StructTag
	value reflect.Value // settable
}

func (f field) key() string   { return f.tag.Get("key") }
func (f field) id() settingID { return settingID{f.file, f.group, f.key()} }

// env is the environment variable that overrides the field, "" for none.
func (f field) env() string {
	_, name, _ := strings.Cut(f.instance, ":")
	return envName(f.tag.Get("env"), name)
}

// envName puts the name of an instance, "" for the default one, into the place
// that an env tag keeps for it.
func envName(tag, name string) string {
	if name != "" {
		name = strings.Map(envRune, strings.ToUpper(name)) + "_"
	}
	return strings.Replace(tag, "*_", name, 1)
}

func envRune(r rune) rune {
	if 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
		return r
	}
	return '_'
}

// all ranges over the settings of a section.
func (s section) all() iter.Seq[field] {
	return func(yield func(field) bool) {
		for i := range s.fields.NumField() {
			tag := s.fields.Type().Field(i).Tag
			if tag.Get("key") != "" && !yield(field{s, tag, s.fields.Field(i)}) {
				return
			}
		}
	}
}

// kind is a kind of backend or target, of which there are named instances: a
// map in Settings or in its Targets.
type kind struct {
	name   string // "s3"
	file   string // where the groups of its instances stand
	group  string // the group of the default instance, "" where it has none
	index  []int  // of the map in Settings
	elem   reflect.Type
	target bool // not a backend
}

// isInstance reports whether name is one that an instance may have: "s3:media".
func (k kind) isInstance(name string) bool {
	instance, ok := strings.CutPrefix(name, k.name+":")
	return ok && instance != "" && !strings.ContainsFunc(instance, isNotNameRune)
}

// groupOf is the group that an instance is read from.
func (k kind) groupOf(instance string) string {
	if instance == k.name {
		return k.group
	}
	return instance
}

// zero is a section with the fields of the kind, all empty.
func (k kind) zero() section {
	return section{k.file, k.group, "", reflect.New(k.elem).Elem()}
}

// settingsType is what the tags are read from.
var settingsType = reflect.TypeFor[Settings]()

// kinds lists the kinds of backends, then those of targets.
func kinds() []kind {
	var list []kind
	for _, f := range reflect.VisibleFields(settingsType) {
		if name := f.Tag.Get("kind"); name != "" {
			list = append(list, kind{name, f.Tag.Get("file"), f.Tag.Get("group"), f.Index, f.Type.Elem(), false})
		}
	}
	targets, _ := settingsType.FieldByName("Targets")
	for _, f := range reflect.VisibleFields(targets.Type) {
		index := append(slices.Clone(targets.Index), f.Index...)
		list = append(list, kind{f.Tag.Get("kind"), targets.Tag.Get("file"), "", index, f.Type.Elem(), true})
	}
	return list
}

// files lists the INI files that settings come from.
func files() []string {
	var list []string
	for i := range settingsType.NumField() {
		file := settingsType.Field(i).Tag.Get("file")
		if file != "" && !slices.Contains(list, file) {
			list = append(list, file)
		}
	}
	return list
}

// fixed lists the sections of s that every site has; their fields are those
// of s itself.
func fixed(s *Settings) []section {
	var list []section
	for i := range settingsType.NumField() {
		tag := settingsType.Field(i).Tag
		if tag.Get("group") != "" && tag.Get("kind") == "" {
			list = append(list, section{tag.Get("file"), tag.Get("group"), "", reflect.ValueOf(s).Elem().Field(i)})
		}
	}
	return list
}

// instances lists the sections of the instances of s that are read from
// groups of their own, by kind and name; their fields are copies.
func instances(s *Settings) []section {
	var list []section
	for _, k := range kinds() {
		byName := reflect.ValueOf(s).Elem().FieldByIndex(k.index)
		for _, name := range slices.Sorted(maps.Keys(mapKeys(byName))) {
			if k.groupOf(name) == "" {
				continue
			}
			fields := reflect.New(k.elem).Elem()
			fields.Set(byName.MapIndex(reflect.ValueOf(name)))
			list = append(list, section{k.file, k.groupOf(name), name, fields})
		}
	}
	return list
}

func mapKeys(m reflect.Value) map[string]bool {
	keys := map[string]bool{}
	for _, key := range m.MapKeys() {
		keys[key.String()] = true
	}
	return keys
}
