package main

import (
	"errors"
	"fmt"
	"strings"

	"example.com/ezdfs/ini"
	"example.com/ezdfs/settings"
)

// removedJSON is a line of the settings that is gone, as JSON shows it.
type removedJSON struct {
	settings.Origin
	Key   string `json:"key"`
	Value string `json:"value"`
}

// dropFallback removes the line MigrateFrom of a prefix that is verified, also
// where it stands in more than one file of the cascade.
func (f *migrateFlags) dropFallback(a *app, prefix string) error {
	removed := []removedJSON{}
	var failed error
	var at ini.Origin // where that was
	for {
		s, err := a.settings()
		if err != nil {
			return errors.Join(err, f.tellDropped(a, prefix, removed, settings.Rule{}))
		}
		m, ok := fallbackOf(s, prefix)
		if !ok || m.Prefix != prefix || m.Backend != f.from {
			return f.tellDropped(a, prefix, removed, m)
		}
		here := ini.Origin{File: m.Origin.File, Line: m.Origin.Line}
		if here == at {
			return errors.Join(failed, f.tellDropped(a, prefix, removed, settings.Rule{}))
		}
		at = here
		line := removedJSON{m.Origin, fmt.Sprintf("MigrateFrom[%s]", m.Prefix), m.Backend}
		err = ini.RemoveElement(at, "DispatchableDFS", "MigrateFrom", m.Prefix)
		if err == nil {
			removed, at = append(removed, line), ini.Origin{}
			continue
		}
		// Somebody else may have removed it, or another line: then it is not there.
		failed = fmt.Errorf("all is verified, but this line could not be removed, do that by hand: %s: %s=%s: %w", at, line.Key, line.Value, err)
	}
}

// fallbackOf returns the line that makes the files of a prefix migrate. It may be
// for more than them.
func fallbackOf(s settings.Settings, prefix string) (settings.Rule, bool) {
	for _, m := range s.Migrations() {
		if strings.HasPrefix(prefix, m.Prefix) {
			return m, true
		}
	}
	return settings.Rule{}, false
}

// tellDropped tells which lines are gone, and of one that is left: it is for more
// than the prefix, or for another store.
func (f *migrateFlags) tellDropped(a *app, prefix string, removed []removedJSON, left settings.Rule) error {
	if len(left.Prefix) < len(prefix) && left.Backend == f.from {
		a.note("MigrateFrom[%s] (%s) stays: it is for more files; finish with that prefix", left.Prefix, left.Origin)
	}
	if left.Prefix == prefix && left.Backend != f.from && len(removed) > 0 {
		a.note("%s: MigrateFrom[%s]=%s counts now, which the removed line hid; remove it, too, unless files are to come from there", left.Origin, left.Prefix, left.Backend)
	}
	if !f.deleteSource && len(removed) > 0 {
		a.note("what %s still holds goes with dfsctl check --delete", f.from)
	}
	if len(removed) > 0 {
		a.note("remove the line on all other hosts, too, and restart what reads it")
	}
	if a.json {
		return a.printJSON(map[string]any{"removed": removed})
	}
	for _, line := range removed {
		a.printf("removed %s: %s=%s\n", line.Origin, line.Key, line.Value)
	}
	return nil
}
