package settings

import (
	"cmp"
	"fmt"
	"strings"
)

// Entry is one setting as it stands, for display.
type Entry struct {
	File    string `json:"file"` // the INI file's name in the cascade
	Group   string `json:"group"`
	Key     string `json:"key"`   // "PathBackends[var/site]" for an element of an array
	Value   string `json:"value"` // as an INI file would say it; secrets are stars
	Origin  Origin `json:"origin"`
	Default string `json:"default,omitempty"`
	Env     string `json:"env,omitempty"` // the variable that overrides it
	Doc     string `json:"doc"`
}

// Entries lists every setting in effect, in the order of the reference: the
// groups that every site has, then the instances by kind and name. Arrays have
// an entry for each element.
func (s Settings) Entries() []Entry {
	var list []Entry
	for _, section := range append(fixed(&s), instances(&s)...) {
		for f := range section.all() {
			list = append(list, s.entriesOf(f)...)
		}
	}
	return list
}

func (s Settings) entriesOf(f field) []Entry {
	entry := Entry{
		File: f.file, Group: f.group, Key: f.key(), Origin: s.origins[f.id()],
		Default: f.tag.Get("default"), Env: f.env(), Doc: f.tag.Get("doc"),
	}
	if !f.isArray() {
		entry.Value = f.format()
		return []Entry{entry}
	}
	var list []Entry
	for _, element := range f.elements() {
		entry.Key = f.key() + "[" + element.key + "]"
		entry.Value = element.value
		entry.Default = element.fallback
		entry.Origin = cmp.Or(element.origin, s.origins[settingID{f.file, f.group, entry.Key}])
		list = append(list, entry)
	}
	return list
}

// Reference returns the tables of all settings in Markdown, made from the tags.
func Reference() string {
	var b strings.Builder
	for _, section := range fixed(&Settings{}) {
		writeTable(&b, section.file+" `["+section.group+"]`", section)
	}
	for _, k := range kinds() {
		group := "`[" + k.name + ":name]`"
		if k.group != "" {
			group = "`[" + k.group + "]` and " + group
		}
		writeTable(&b, k.file+" "+group, k.zero())
	}
	return b.String()
}

func writeTable(b *strings.Builder, title string, s section) {
	fmt.Fprintf(b, "### %s\n\n| Setting | Default | Environment | Meaning |\n| --- | --- | --- | --- |\n", title)
	for f := range s.all() {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.key(), code(strings.ReplaceAll(f.tag.Get("default"), ";", " ")),
			code(strings.Replace(f.tag.Get("env"), "_*_", "_[NAME_]", 1)), cell(f.describe()))
	}
	b.WriteByte('\n')
}

// describe is the field's documentation with the values it may have.
func (f field) describe() string {
	doc := f.tag.Get("doc")
	low, high := f.tag.Get("min"), f.tag.Get("max")
	switch {
	case low != "" && high != "":
		doc += " From " + low + " to " + high + "."
	case low != "":
		doc += " At least " + low + "."
	}
	if words := f.tag.Get("oneof"); words != "" {
		doc += " One of " + strings.ReplaceAll(words, "|", ", ") + "."
	}
	return doc
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + cell(text) + "`"
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
