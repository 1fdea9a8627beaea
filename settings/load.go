package settings

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"example.com/ezdfs/ini"
)

// Options says where the settings of a site lie.
type Options struct {
	// Dir is the settings directory, "" for Root/settings.
	Dir string
	// Root is the site root, "" for the working directory.
	Root string
	// SiteAccess and Extensions widen the cascade beyond the base files and
	// the override directory; see [ini.Source].
	SiteAccess string
	Extensions []string
	// Getenv looks up environment variables, nil for [os.LookupEnv]. An empty
	// variable counts as not set.
	Getenv func(string) (string, bool)
}

// withDefaults fills in what was left empty.
func (o Options) withDefaults() Options {
	o.Root = cmp.Or(o.Root, ".")
	o.Dir = cmp.Or(o.Dir, filepath.Join(o.Root, "settings"))
	if o.Getenv == nil {
		o.Getenv = os.LookupEnv
	}
	return o
}

// A ValueError is a setting whose value cannot be used.
type ValueError struct {
	Origin Origin
	Group  string
	Key    string
	Reason string // what is wrong and what to do
}

func (e *ValueError) Error() string {
	return e.Origin.String() + ": [" + e.Group + "] " + e.Key + ": " + e.Reason
}

// Defaults returns the settings of a site that sets nothing.
func Defaults() Settings {
	l := newLoader(Options{Getenv: func(string) (string, bool) { return "", false }})
	l.fill()
	return l.settings
}

// Load reads the settings of a site. It fails when the settings directory is
// not there, and joins what is wrong with the files otherwise: an error for
// each line and file that cannot be read ([ini.Load]), and a [*ValueError] for
// each value of the wrong type or backend that is not known. The Settings then
// have defaults in the place of what is wrong.
func Load(opts Options) (Settings, error) {
	l := newLoader(opts)
	l.load()
	return l.settings, errors.Join(l.errs...)
}

// loader fills one Settings.
type loader struct {
	opts     Options
	docs     map[string]*ini.Document // by the file's name
	settings Settings
	errs     []error
}

func newLoader(opts Options) *loader {
	opts = opts.withDefaults()
	l := &loader{opts: opts, docs: map[string]*ini.Document{}}
	l.settings.Root = opts.Root
	l.settings.origins = map[settingID]Origin{}
	return l
}

// load reads the files, then fills the settings from them.
func (l *loader) load() {
	// Mounts have to be absolute, and what is relative must not be resolved
	// against the root a second time.
	if root, err := filepath.Abs(l.settings.Root); err == nil {
		l.settings.Root = root
	}
	source := ini.Source{Dir: l.opts.Dir, Root: l.opts.Root, SiteAccess: l.opts.SiteAccess, Extensions: l.opts.Extensions}
	for _, file := range files() {
		doc, err := ini.Load(source, file)
		if err != nil {
			l.errs = append(l.errs, flatten(err)...)
		}
		if doc == nil { // the source itself is wrong: the same for every file
			break
		}
		l.docs[file] = doc
	}
	l.fill()
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var errs []error
	for _, err := range joined.Unwrap() {
		errs = append(errs, flatten(err)...)
	}
	return errs
}

// fill sets every setting from defaults, files and environment.
func (l *loader) fill() {
	for _, s := range fixed(&l.settings) {
		l.fillSection(s)
	}
	l.preferHost()
	l.checkEngine()
	l.checkBackends()
	for _, k := range kinds() {
		l.fillKind(k)
	}
}

func (l *loader) fillSection(s section) {
	for f := range s.all() {
		f.setDefault()
		switch target := f.value.Addr().Interface().(type) {
		case *map[string]string:
			l.fillMap(f, *target)
		case *[]string:
			*target = l.words(f)
		case *[]Rule:
			*target = l.rules(f)
		default:
			l.fillScalar(f)
		}
	}
}

// fillScalar sets a field from the environment or the files. An empty value
// means the default, except for text without a choice, which it empties.
func (l *loader) fillScalar(f field) {
	raw, origin, ok := l.lookup(f)
	if !ok {
		return
	}
	text := f.value.Kind() == reflect.String && f.tag.Get("oneof") == ""
	if strings.Trim(raw, " \t") == "" && !text {
		return
	}
	value, err := f.parse(raw)
	if err != nil {
		l.reject(f, f.key(), origin, err.Error())
		return
	}
	if path, ok := value.(string); ok && f.tag.Get("path") != "" {
		value = l.fromRoot(path)
	}
	f.value.Set(reflect.ValueOf(value))
	l.settings.origins[f.id()] = origin
}

// lookup finds the text of a scalar: the environment's, else the files'.
func (l *loader) lookup(f field) (string, Origin, bool) {
	if name := f.env(); name != "" {
		if raw, ok := l.opts.Getenv(name); ok && raw != "" {
			return raw, Origin{File: environment, Name: name}, true
		}
	}
	doc := l.docs[f.file]
	if doc == nil {
		return "", Origin{}, false
	}
	at, ok := doc.Origin(f.group, f.key())
	if !ok {
		return "", Origin{}, false
	}
	raw, ok := doc.Value(f.group, f.key())
	if !ok {
		l.reject(f, f.key(), fileOrigin(at), "is an array; write "+f.key()+"=value")
	}
	return raw, fileOrigin(at), ok
}

// array finds the entries of an array setting.
func (l *loader) array(f field) []ini.Entry {
	doc := l.docs[f.file]
	if doc == nil {
		return nil
	}
	entries, ok := doc.Array(f.group, f.key())
	if at, set := doc.Origin(f.group, f.key()); set && !ok {
		l.reject(f, f.key(), fileOrigin(at), "is not an array; write "+f.key()+"[name]=value")
	}
	return entries
}

func (l *loader) fillMap(f field, words map[string]string) {
	for _, entry := range l.array(f) {
		key := f.key() + "[" + entry.Key + "]"
		if err := f.checkOneOf(entry.Value); err != nil {
			l.reject(f, key, fileOrigin(entry.Origin), err.Error())
			continue
		}
		words[entry.Key] = entry.Value
		l.settings.origins[settingID{f.file, f.group, key}] = fileOrigin(entry.Origin)
	}
}

// words reads an array whose keys do not matter.
func (l *loader) words(f field) []string {
	var words []string
	add := func(word string, origin Origin) {
		key := f.key() + "[" + strconv.Itoa(len(words)) + "]"
		if err := f.checkOneOf(word); err != nil {
			l.reject(f, key, origin, err.Error())
			return
		}
		words = append(words, word)
		l.settings.origins[settingID{f.file, f.group, key}] = origin
	}
	if name := f.env(); name != "" {
		if raw, ok := l.opts.Getenv(name); ok && raw != "" {
			for word := range strings.SplitSeq(raw, ",") {
				add(word, Origin{File: environment, Name: name})
			}
			return words
		}
	}
	for _, entry := range l.array(f) {
		if entry.Value != "" { // the legacy's way of leaving a line in the file
			add(entry.Value, fileOrigin(entry.Origin))
		}
	}
	return words
}

func (l *loader) rules(f field) []Rule {
	var rules []Rule
	for _, entry := range l.array(f) {
		rules = append(rules, Rule{Prefix: entry.Key, Backend: entry.Value, Origin: fileOrigin(entry.Origin)})
	}
	return rules
}

func (l *loader) reject(f field, key string, origin Origin, reason string) {
	l.errs = append(l.errs, &ValueError{Origin: origin, Group: f.group, Key: key, Reason: reason})
}

// fromRoot resolves a path against the site root.
func (l *loader) fromRoot(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.settings.Root, path)
}

func fileOrigin(o ini.Origin) Origin { return Origin{File: o.File, Line: o.Line} }

// preferHost drops the socket of the files where the environment names a host.
func (l *loader) preferHost() {
	dfs := settingID{file: "file.ini", group: dfsGroup}
	host, socket := dfs, dfs
	host.key, socket.key = "DBHost", "DBSocket"
	from := l.settings.origins[host]
	if from.File == environment && l.settings.origins[socket].File != environment {
		l.settings.DFS.DBSocket = ""
		l.settings.origins[socket] = from
	}
}

// originOf returns where a setting of a fixed section was set.
func (s *Settings) originOf(file, group, key string) Origin {
	return s.origins[settingID{file, group, key}]
}
