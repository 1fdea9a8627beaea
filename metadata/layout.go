package metadata

import "strings"

// StorageTable is the table of everything that is not a cache file. Its name
// is fixed by the legacy.
const StorageTable = "ezdfsfile"

// Layout says which table a path belongs to and which trunk its row gets
// (contract section 1). The fields are settings, as they stand in the files.
type Layout struct {
	VarDir     string // site.ini [FileSettings] VarDir
	CacheDir   string // site.ini [FileSettings] CacheDir
	StorageDir string // site.ini [FileSettings] StorageDir
	CacheTable string // file.ini MetaDataTableNameCache; "" means StorageTable
}

// Table returns the table of a path: the cache table when the path contains
// CacheDir and does not contain StorageDir, both as plain substrings.
func (l Layout) Table(name string) string {
	if l.CacheTable != "" && l.Cache(name) {
		return l.CacheTable
	}
	return StorageTable
}

// Cache reports whether a path is that of a cache file, also where both kinds
// share one table.
func (l Layout) Cache(name string) bool {
	cache := l.CacheDir != "" && strings.Contains(name, l.CacheDir)
	return cache && (l.StorageDir == "" || !strings.Contains(name, l.StorageDir))
}

// Tables returns the one or two tables in the order in which everything here
// reads and locks them.
func (l Layout) Tables() []string {
	if l.CacheTable == "" || l.CacheTable == StorageTable {
		return []string{StorageTable}
	}
	return []string{StorageTable, l.CacheTable}
}

// Trunk returns the name_trunk of a path stored with a scope. View caches
// share one per node, template blocks one per subtree; of everything else it
// is the whole path.
func (l Layout) Trunk(name, scope string) string {
	switch scope {
	case "viewcache":
		return viewCacheTrunk(name)
	case "template-block":
		return templateBlockTrunk(name, l.blockDir(name))
	}
	return name
}

// blockDir is the part of a path after which the blocks of a subtree stand. A
// cluster may hold several sites, each with a VarDir of its own that only its
// siteaccess knows; the PHP of that site means its own cache directory, so
// where ours is not part of the path any directory named CacheDir is.
func (l Layout) blockDir(name string) string {
	const blocks = "/template-block/"
	if dir := l.cacheRoot() + blocks; strings.Contains(name, dir) {
		return dir
	}
	return "/" + l.CacheDir + blocks
}

// cacheRoot is the directory of the cache files: CacheDir inside VarDir, or
// CacheDir alone when it is absolute.
func (l Layout) cacheRoot() string {
	if strings.HasPrefix(l.CacheDir, "/") {
		return l.CacheDir
	}
	return strings.TrimRight(l.VarDir, "/") + "/" + l.CacheDir
}

// viewCacheTrunk cuts a path after the first dash of its base name.
func viewCacheTrunk(name string) string {
	base := name[strings.LastIndexByte(name, '/')+1:]
	dash := strings.IndexByte(base, '-')
	if dash < 0 {
		return name
	}
	return name[:len(name)-len(base)+dash+1]
}

// templateBlockTrunk cuts the path of a subtree's block after the first
// "cache/" that follows dir.
func templateBlockTrunk(name, dir string) string {
	before, after, found := strings.Cut(name, dir)
	if !found || !strings.Contains(before+after, "subtree/") {
		return name
	}
	const end = "cache/"
	at := strings.Index(after, end)
	if at < 0 {
		return name
	}
	return name[:len(before)+len(dir)+at+len(end)]
}
