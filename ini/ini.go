// Package ini reads the INI files of an eZ Publish site as its PHP code reads
// them (contract section 10): values verbatim to the byte, arrays in order,
// and the cascade of override directories. It knows the dialect and where the
// files lie, not what any setting means; package settings does that.
//
// [Parse] reads one file, [Load] the files of a whole cascade:
//
//	doc, err := ini.Load(ini.Source{Dir: "settings"}, "file.ini")
//	host, ok := doc.Value("eZDFSClusteringSettings", "DBHost")
//	rules, ok := doc.Array("DispatchableDFS", "PathBackends")
//
// Every value and every array entry remembers the file and line that set it.
package ini

import (
	"fmt"
	"slices"
	"strconv"

	goini "gopkg.in/ini.v1"
)

// Origin is where a value was set.
type Origin struct {
	File string
	Line int // 1-based; 0 where a whole file is meant
}

// String is "file:line", or the file alone.
func (o Origin) String() string {
	if o.Line == 0 {
		return o.File
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}

// Entry is one element of an array, at its place in the order.
type Entry struct {
	// Key is the element's key as text. Whether PHP holds it as an integer
	// or as a string follows from the text alone: see Index.
	Key    string
	Value  string
	Origin Origin
}

// Index returns the key as the integer that PHP makes of it, and false for a
// key that stays a string ("08", "+1", "-0", or beyond 64 bits).
func (e Entry) Index() (int64, bool) { return phpIndex(e.Key) }

// Document is what one file, or a cascade of files, says. Groups and keys
// stand in the order in which they first got a value; as in PHP, a group
// header alone makes no group.
//
// A Document does not change after Parse or Load returned it and may be read
// by several goroutines at once.
type Document struct {
	// Warnings lists what was read in a way its author can hardly have meant.
	Warnings []*LineError

	file   *goini.File
	values map[*goini.Key]*value
}

// value stands beside each key of the ini.v1 file: what that model has no
// place for.
type value struct {
	origin Origin
	array  *array // nil for a scalar
}

// A LineError is a line that cannot be taken as it stands.
type LineError struct {
	Origin Origin
	Group  string
	Key    string // "" where no key is concerned
	Reason string // what is wrong and what to do
}

func (e *LineError) Error() string {
	msg := e.Origin.String() + ": "
	if e.Key != "" {
		msg += fmt.Sprintf("[%s] %s: ", e.Group, e.Key)
	}
	return msg + e.Reason
}

// newDocument returns an empty Document. Its ini.v1 file never lexes
// anything: it is built key by key, and no group inherits from another.
func newDocument() *Document {
	file := goini.Empty(goini.LoadOptions{
		AllowNestedValues:     true,
		ChildSectionDelimiter: "\n", // in no group's name
	})
	file.DeleteSection(goini.DefaultSection)
	return &Document{file: file, values: map[*goini.Key]*value{}}
}

// sectionName is the ini.v1 section of a group. That package calls the group
// without a name DEFAULT; a real group of that name gets a trailing space,
// which no group's name has.
func sectionName(group string) string {
	switch group {
	case "":
		return goini.DefaultSection
	case goini.DefaultSection:
		return goini.DefaultSection + " "
	}
	return group
}

// groupName is the inverse of sectionName.
func groupName(section string) string {
	switch section {
	case goini.DefaultSection:
		return ""
	case goini.DefaultSection + " ":
		return goini.DefaultSection
	}
	return section
}

// File is the document model underneath: a section for each group, a key for
// each key, array values as nested values of their key. Lines before the first
// group stand in its DEFAULT section, and a group that is named DEFAULT in
// "DEFAULT ". Use Key.Value, which is verbatim, not Key.String, which expands
// %(name)s. It must not be changed.
func (d *Document) File() *goini.File { return d.file }

// Groups returns the names of the groups in order.
func (d *Document) Groups() []string {
	names := d.file.SectionStrings()
	for i, name := range names {
		names[i] = groupName(name)
	}
	return names
}

// Keys returns the keys of a group in order, none for a group that is not there.
func (d *Document) Keys(group string) []string {
	section, err := d.file.GetSection(sectionName(group))
	if err != nil {
		return nil
	}
	return section.KeyStrings()
}

// Value returns a scalar, byte for byte, and false where the key is not set
// or holds an array.
func (d *Document) Value(group, key string) (string, bool) {
	k, v := d.lookup(group, key)
	if v == nil || v.array != nil {
		return "", false
	}
	return k.Value(), true
}

// Array returns the entries of an array in order, and false where the key is
// not set or holds a scalar. An array that was only reset is there and empty.
func (d *Document) Array(group, key string) ([]Entry, bool) {
	_, v := d.lookup(group, key)
	if v == nil || v.array == nil {
		return nil, false
	}
	return slices.Clone(v.array.entries), true
}

// Origin returns where a scalar was set, or where an array began: its first
// entry or its last reset.
func (d *Document) Origin(group, key string) (Origin, bool) {
	_, v := d.lookup(group, key)
	if v == nil {
		return Origin{}, false
	}
	return v.origin, true
}

func (d *Document) lookup(group, key string) (*goini.Key, *value) {
	section, err := d.file.GetSection(sectionName(group))
	if err != nil {
		return nil, nil
	}
	k, err := section.GetKey(key)
	if err != nil {
		return nil, nil
	}
	return k, d.values[k]
}
