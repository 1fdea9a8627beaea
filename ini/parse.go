package ini

import (
	"errors"
	"os"
	"strings"

	goini "gopkg.in/ini.v1"
)

// Parse reads the data of one file. name is what origins and errors call it.
//
// Lines that match no rule of the dialect are ignored, as PHP does; those that
// look meant are warned of. The error joins a [*LineError] for each line that
// cannot be applied. The Document holds everything else even then.
func Parse(name string, data []byte) (*Document, error) {
	d := newDocument()
	errs := d.merge(name, data)
	d.finish()
	return d, errors.Join(errs...)
}

// ParseFile reads one file; see [Parse]. The Document is nil when the file
// cannot be read.
func ParseFile(path string) (*Document, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data)
}

// merge applies a file on top of what the document says already.
func (d *Document) merge(name string, data []byte) []error {
	text, warnings := decode(name, strings.ReplaceAll(string(data), "\r", ""))
	d.Warnings = append(d.Warnings, warnings...)

	var errs []error
	group, line := "", 0
	for text := range strings.SplitSeq(text, "\n") {
		line++
		origin := Origin{File: name, Line: line}
		s := parseLine(text)
		switch s.kind {
		case ignored:
			if looksMeant(text) {
				d.Warnings = append(d.Warnings, &LineError{Origin: origin, Group: group, Reason: ignoredReason(text)})
			}
		case header:
			group = s.name
		default:
			if err := d.apply(group, s, origin); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

func ignoredReason(line string) string {
	if strings.HasPrefix(line, bom) {
		return "ignored because of the byte order mark before it: save the file without one"
	}
	return "ignored because of a space at its beginning, at its end or before the =: remove it"
}

// apply executes one statement that concerns a key.
func (d *Document) apply(group string, s statement, origin Origin) error {
	k, v := d.lookup(group, s.name)
	if v == nil {
		k, v = d.create(group, s.name)
		v.origin = origin
		if s.kind != scalar {
			v.array = newArray()
		}
	}
	switch s.kind {
	case scalar:
		k.SetValue(s.value)
		*v = value{origin: origin}
		return nil
	case reset:
		k.SetValue("")
		*v = value{origin: origin, array: newArray()}
		return nil
	}
	if v.array == nil {
		return &LineError{Origin: origin, Group: group, Key: s.name,
			Reason: "an array element for a key that holds a string since " + v.origin.String() +
				"; put " + s.name + "[] before it to make the key an array"}
	}
	if s.kind == element {
		v.array.set(s.sub, s.value, origin)
		return nil
	}
	if !v.array.add(s.value, origin) {
		return &LineError{Origin: origin, Group: group, Key: s.name,
			Reason: "nothing can be appended after the largest integer key"}
	}
	return nil
}

// create adds a key, and its group where it is new. ini.v1 refuses empty names
// only, which neither has.
func (d *Document) create(group, key string) (*goini.Key, *value) {
	section, _ := d.file.NewSection(sectionName(group))
	k, _ := section.NewKey(key, "")
	v := &value{}
	d.values[k] = v
	return k, v
}

// finish hands the arrays to the ini.v1 file, once their entries are settled,
// and lets it be read without locks.
func (d *Document) finish() {
	for k, v := range d.values {
		if v.array == nil {
			continue
		}
		for _, entry := range v.array.entries {
			k.AddNestedValue(entry.Value)
		}
	}
	d.file.BlockMode = false
}
