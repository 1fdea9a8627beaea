package phpconfig

import (
	"errors"
	"fmt"
	"strings"

	"example.com/ezdfs/internal/nearest"
	"example.com/ezdfs/settings"
)

// prefix begins the names of all constants of the gateway.
const prefix = "CLUSTER_"

// Apply reads files as [Read] does, with the root of s, and puts the constants
// of PHP's gateway (contract section 8) over the settings, which then tell the
// constant's file and line as their origin. Settings that a variable of the
// environment gives stay, and those that no constant gives.
//
// The warnings, each a *[LineError], are those of Read as far as they bear on
// the gateway, and say which constants are unknown, have no effect here, or
// contradict the INI files. The error joins a *LineError for every value that
// cannot be used; s is then as it was.
func Apply(s *settings.Settings, files ...string) (warnings []error, err error) {
	config, found, err := Read(s.Root, files...)
	a := &applier{settings: *s}
	for _, warning := range found {
		var line *LineError
		if !errors.As(warning, &line) || line.Constant == "" || strings.HasPrefix(line.Constant, prefix) {
			a.warnings = append(a.warnings, warning)
		}
	}
	if err != nil {
		return a.warnings, err
	}
	if _, ok := config.find(prefix + "STORAGE_BACKEND"); !ok {
		a.warnings = append(a.warnings, &LineError{Origin: settings.Origin{File: strings.Join(files, ", ")}, Constant: prefix + "STORAGE_BACKEND",
			Reason: "is not defined: PHP's gateway serves nothing then; name config.php and config.cluster.php, or define it"})
	}
	a.applyAll(config)
	if err := errors.Join(a.errs...); err != nil {
		return a.warnings, err
	}
	*s = a.settings
	return a.warnings, nil
}

// applier puts constants over a copy of the settings.
type applier struct {
	settings settings.Settings
	config   Config
	warnings []error
	errs     []error
}

// applyAll applies what is known, in the order of the table, then warns of the
// rest.
func (a *applier) applyAll(config Config) {
	a.config = config
	known := map[string]bool{}
	for _, m := range mappings() {
		known[m.constant] = true
		k, ok := config.Lookup(m.constant)
		if !ok || a.skips(m, k) {
			continue
		}
		if err := m.apply(a, m, k); err != nil {
			a.errs = append(a.errs, err)
		}
	}
	for _, k := range config.Constants() {
		if strings.HasPrefix(k.Name, prefix) && !known[k.Name] {
			a.warnUnknown(k)
		}
	}
}

// skips reports whether a constant stands for nothing: null is how PHP says
// that one is not set, and a database file has no host.
func (a *applier) skips(m mapping, k Constant) bool {
	if k.Value == nil {
		return m.constant != prefix+"STORAGE_BACKEND"
	}
	engine, _ := a.settings.DFS.Engine()
	return m.server && engine == settings.SQLite
}

func (a *applier) warnUnknown(k Constant) {
	var names []string
	for _, m := range mappings() {
		names = append(names, m.constant)
	}
	reason := "is unknown and has no effect"
	if near, ok := nearest.Name(k.Name, names, 3); ok {
		reason += "; did you mean " + near + "?"
	}
	a.warn(k, "%s", reason)
}

func (a *applier) warn(k Constant, format string, args ...any) {
	a.warnings = append(a.warnings, k.errorf(format, args...))
}

// set gives a setting a value in the form of an INI file.
func (a *applier) set(file, group, key, value string, k Constant) error {
	err := a.settings.Override(file, group, key, value, k.Origin)
	var wrong *settings.ValueError
	if errors.As(err, &wrong) {
		return k.errorf("%s", wrong.Reason)
	}
	return err
}

// setAlike is set for what PHP's gateway and its file handler must agree on:
// the INI files are what the rows were written by.
func (a *applier) setAlike(m mapping, value, before string, k Constant) error {
	origin := a.settings.OriginOf(m.file, m.group, m.key)
	if origin.File != "" && value != before {
		a.warn(k, "is %q, but %s is %q in %s, by which PHP stores files; make them alike", value, m.key, before, origin)
	}
	return a.set(m.file, m.group, m.key, value, k)
}

// withText reads a text and applies it.
func withText(k Constant, apply func(string) error) error {
	value, err := k.Text()
	if err != nil {
		return err
	}
	return apply(value)
}

// seconds reads a time in whole seconds.
func seconds(k Constant) (string, error) {
	if k.Value == false {
		return "0", nil
	}
	n, err := k.Int()
	if err != nil {
		return "", k.errorf("is %s; write a number of seconds, or false for none", typeName(k.Value))
	}
	return fmt.Sprint(n), nil
}
