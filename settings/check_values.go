package settings

import (
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
)

// checkValues looks at every text that was set for what is part of it and
// hardly meant: values are verbatim, with their blanks and quotes.
func (c *checker) checkValues() {
	for _, s := range append(fixed(&c.settings), instances(&c.settings)...) {
		for f := range s.all() {
			if origin := c.settings.origins[f.id()]; f.value.Kind() == reflect.String && origin.File != environment {
				c.checkText(f, f.value.String())
			}
		}
	}
}

func (c *checker) checkText(f field, text string) {
	_, secret := f.value.Interface().(Secret)
	quoted := len(text) > 1 && text[0] == text[len(text)-1] && strings.ContainsRune(`"'`, rune(text[0]))
	switch {
	case strings.Trim(text, " \t") != text:
		c.add(SeverityWarning, f.file, f.group, f.key(), "begins or ends with a blank, which is part of the value", "remove it")
	case quoted && !secret:
		c.add(SeverityWarning, f.file, f.group, f.key(), "stands in quotes, which are part of the value", "remove them")
	}
}

// checkSite looks at the directories of site.ini, which decide the table of
// every path (contract section 1), and at the file handler.
func (c *checker) checkSite() {
	const group = "FileSettings"
	files := c.settings.Files
	site := func(severity Severity, key, message, fix string) {
		c.add(severity, "site.ini", group, key, message, fix)
	}
	if files.VarDir == "" || strings.HasPrefix(files.VarDir, "/") || strings.Contains("/"+files.VarDir+"/", "/../") {
		site(SeverityError, "VarDir", "must be a directory below the site root", "write it relative, such as var/site")
	}
	for _, dir := range []struct{ key, value, effect string }{
		{"StorageDir", files.StorageDir, "storage file"},
		{"CacheDir", files.CacheDir, "cache file unless it contains StorageDir"},
	} {
		switch {
		case dir.value == "":
			site(SeverityError, dir.key, "is empty: every path contains it and is a "+dir.effect, "write the directory's name")
		case strings.Contains(dir.value, "/"):
			site(SeverityWarning, dir.key, "has a slash; a path is a "+dir.effect+" only where it contains exactly this text",
				"write the directory's name alone")
		case strings.Contains(files.VarDir, dir.value):
			site(SeverityWarning, dir.key, "is part of VarDir: every path of the site is a "+dir.effect, "rename one of them")
		}
	}
	if files.StorageDir != "" && strings.Contains(files.CacheDir, files.StorageDir) {
		site(SeverityError, "CacheDir", "contains StorageDir: no path is a cache file, all rows go to the storage table", "rename one of them")
	}
	c.checkFileHandler()
}

func (c *checker) checkFileHandler() {
	const wanted = "eZDFSFileHandler"
	handler := c.settings.Clustering.FileHandler
	if strings.EqualFold(handler, wanted) {
		return
	}
	message := "is " + handler + ", which does not use the cluster's tables"
	if strings.EqualFold(handler, "eZFSFileHandler") || handler == "ezfs" {
		message = "is " + handler + ": PHP keeps its files on the local disk, the site is not clustered yet"
	}
	c.add(SeverityWarning, "file.ini", "ClusteringSettings", "FileHandler", message,
		"set it to "+wanted+" once the files are clusterized")
}

// storageTable is the table of storage files, which has no setting.
const storageTable = "ezdfsfile"

// checkDatabase looks at the metadata store's settings.
func (c *checker) checkDatabase() {
	dfs := c.settings.DFS
	table := func(severity Severity, message, fix string) {
		c.add(severity, "file.ini", dfsGroup, "MetaDataTableNameCache", message, fix)
	}
	switch {
	case !regexp.MustCompile(`^[0-9A-Za-z_$]{1,64}$`).MatchString(dfs.TableCache):
		table(SeverityError, "is not the name of a table", "use letters, digits and underscores, 64 at the most")
	case dfs.TableCache == storageTable:
		table(SeverityWarning, "is the storage files' table too: caches cannot be dropped without touching storage",
			"create ezdfsfile_cache and name it here")
	case strings.EqualFold(dfs.TableCache, storageTable):
		table(SeverityError, "differs from "+storageTable+" in case only, which some servers take for the same table",
			"write "+storageTable+" or another name")
	}
	engine, _ := dfs.Engine()
	if engine == SQLite && dfs.DBReadHost != "" {
		c.add(SeverityWarning, "file.ini", dfsGroup, "DBReadHost", "is not used by SQLite", "remove it")
	}
	if dfs.DBName == "" {
		c.add(SeverityError, "file.ini", dfsGroup, "DBName", "is empty", "name the database, or SQLite's file")
	} else if dir := filepath.Dir(dfs.DBName); engine == SQLite && isFile(dfs.DBName) && probeMount(dir) != nil {
		c.add(SeverityError, "file.ini", dfsGroup, "DBName", dir+" is not a writable directory", "create it for the database's file")
	}
}

// checkURL looks at a setting that is a URL, where it is set.
func (c *checker) checkURL(s section, key, text string) {
	if text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		c.addInstance(SeverityError, s, key, "is not a URL", "write it with its scheme, such as https://host")
	}
}
