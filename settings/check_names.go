package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/ezdfs/internal/nearest"
)

// checkNames looks for groups, keys and array elements that look misspelt.
// Others' settings stand in the same groups: only what nearly is one of ours
// is reported.
func (c *checker) checkNames() {
	for _, file := range files() {
		if c.docs[file] != nil {
			c.checkFileNames(file)
		}
	}
}

func (c *checker) checkFileNames(file string) {
	doc, known := c.docs[file], knownKeys(file)
	for _, group := range doc.Groups() {
		keys, ok := known[group]
		if k, isInstance := instanceKind(group); isInstance {
			if k.file != file {
				c.misplaced(file, group, "stands in "+file, "move it to "+k.file)
				continue
			}
			keys, ok = keysOf(k.zero()), true
		}
		if !ok {
			c.checkGroupName(file, group, known)
			continue
		}
		for _, key := range doc.Keys(group) {
			c.checkKey(file, group, key, keys)
		}
	}
}

// knownKeys lists the keys of the groups of a file, by group.
func knownKeys(file string) map[string][]string {
	known := map[string][]string{}
	for _, s := range fixed(&Settings{}) {
		if s.file == file {
			known[s.group] = keysOf(s)
		}
	}
	for _, k := range kinds() {
		if k.file == file && k.group != "" {
			known[k.group] = keysOf(k.zero())
		}
	}
	return known
}

func keysOf(s section) []string {
	var keys []string
	for f := range s.all() {
		keys = append(keys, f.key())
	}
	return keys
}

// instanceKind returns the kind of the instance whose group this is.
func instanceKind(group string) (kind, bool) {
	list := kinds()
	i := slices.IndexFunc(list, func(k kind) bool { return k.isInstance(group) })
	if i < 0 {
		return kind{}, false
	}
	return list[i], true
}

// checkGroupName looks at a group that is none of ours.
func (c *checker) checkGroupName(file, group string, known map[string][]string) {
	if near, ok := nearest.Name(group, slices.Sorted(maps.Keys(known)), 1); ok {
		c.misplaced(file, group, "looks like a misspelt ["+near+"] and is ignored", "rename it")
		return
	}
	prefix, _, named := strings.Cut(strings.ToLower(group), ":")
	for _, k := range kinds() {
		if named && strings.TrimSpace(prefix) == k.name {
			c.misplaced(file, group, "names no instance and is ignored",
				"write ["+k.name+":name], the name of letters, digits, '.', '_' and '-'")
		}
	}
}

// misplaced reports a group, at its first key.
func (c *checker) misplaced(file, group, message, fix string) {
	at, _ := c.docs[file].Origin(group, c.docs[file].Keys(group)[0])
	c.problems = append(c.problems, Problem{SeverityWarning, fileOrigin(at), group, "", "group [" + group + "] " + message, fix})
}

// checkKey looks at a key of a group of ours, and at the elements of an array
// of words.
func (c *checker) checkKey(file, group, key string, known []string) {
	if !slices.Contains(known, key) {
		if near, ok := nearest.Name(key, known, 2); ok {
			at, _ := c.docs[file].Origin(group, key)
			c.problems = append(c.problems, Problem{SeverityWarning, fileOrigin(at), group, key,
				"looks like a misspelt " + near + " and is ignored", "rename it to " + near})
		}
		return
	}
	entries, _ := c.docs[file].Array(group, key)
	words := c.wordsOf(file, group, key)
	for _, entry := range entries {
		if near, ok := nearest.Name(entry.Key, words, 2); ok && !slices.Contains(words, entry.Key) {
			c.problems = append(c.problems, Problem{SeverityWarning, fileOrigin(entry.Origin), group, key + "[" + entry.Key + "]",
				"looks like a misspelt " + near + " and is ignored", fmt.Sprintf("write %s[%s]", key, near)})
		}
	}
}

// wordsOf lists the elements that an array of words may have, none for other
// settings.
func (c *checker) wordsOf(file, group, key string) []string {
	for _, s := range fixed(&Settings{}) {
		for f := range s.all() {
			if f.id() == (settingID{file, group, key}) && f.isArray() && f.tag.Get("default") != "" {
				return slices.Sorted(maps.Keys(f.defaultWords()))
			}
		}
	}
	return nil
}
