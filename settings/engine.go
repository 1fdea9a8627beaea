package settings

import (
	"fmt"
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
