package ini

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Source says where the files of a cascade lie. The cluster of the legacy is
// set up before PHP knows siteaccess and extensions, so for its settings Dir
// alone is right: the base files and those of Dir/override.
type Source struct {
	// Dir is the settings directory, which must exist.
	Dir string
	// Root is the site root, in which extension/<name>/settings lies;
	// "" for Dir's parent. Used for Extensions only.
	Root string
	// SiteAccess names a siteaccess whose settings count too: those of
	// Dir/siteaccess/<name>, and extension/<extension>/settings/siteaccess/<name>
	// of every extension. "" for none.
	SiteAccess string
	// Extensions names the extensions whose settings count, in the order of
	// ActiveExtensions: as in PHP, the one named first wins over the others.
	Extensions []string
}

// Load reads the cascade of the file called name, such as "file.ini": later
// files replace scalars and continue arrays (contract section 10). No such
// file anywhere is an empty Document. The error joins a [*LineError] for each
// line that cannot be applied and an [*fs.PathError] for each file that cannot
// be read; the Document holds the rest, and is nil where the Source itself is
// wrong.
func Load(src Source, name string) (*Document, error) {
	paths, err := src.Candidates(name)
	if err != nil {
		return nil, err
	}
	d := newDocument()
	var errs []error
	for _, path := range paths {
		data, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			errs = append(errs, err)
		default:
			errs = append(errs, d.merge(path, data)...)
		}
	}
	d.finish()
	return d, errors.Join(errs...)
}

// Candidates lists the paths at which the cascade of the file called name
// looks, those that win last. It fails when the settings directory, the
// siteaccess or an extension is not there.
func (s Source) Candidates(name string) ([]string, error) {
	if err := checkName("INI file", name); err != nil {
		return nil, err
	}
	dirs, err := s.overrideDirs()
	if err != nil {
		return nil, err
	}
	base := filepath.Join(s.Dir, name)
	paths := []string{base, base + ".php"}
	for _, dir := range dirs {
		x := filepath.Join(dir, name)
		paths = append(paths, x+".php", x, x+".append.php", x+".append")
	}
	return paths, nil
}

// overrideDirs lists the directories of the cascade after the base one.
func (s Source) overrideDirs() ([]string, error) {
	if err := checkDir("settings directory", s.Dir); err != nil {
		return nil, err
	}
	root := s.Root
	if root == "" {
		root = filepath.Join(s.Dir, "..")
	}
	var dirs []string
	for _, extension := range slices.Backward(s.Extensions) {
		if err := checkName("extension", extension); err != nil {
			return nil, err
		}
		dir := filepath.Join(root, "extension", extension)
		if err := checkDir("extension directory", dir); err != nil {
			return nil, err
		}
		dirs = append(dirs, filepath.Join(dir, "settings"))
	}
	if s.SiteAccess != "" {
		accesses, err := s.siteAccessDirs(dirs)
		if err != nil {
			return nil, err
		}
		dirs = append(accesses, dirs...)
	}
	return append(dirs, filepath.Join(s.Dir, "override")), nil
}

// siteAccessDirs lists the directories of the siteaccess: those of the
// extensions, whose settings directories are given, then that of the site.
func (s Source) siteAccessDirs(extensions []string) ([]string, error) {
	if err := checkName("siteaccess", s.SiteAccess); err != nil {
		return nil, err
	}
	var dirs []string
	found := false
	for _, settings := range append(slices.Clone(extensions), s.Dir) {
		dir := filepath.Join(settings, "siteaccess", s.SiteAccess)
		found = found || checkDir("", dir) == nil
		dirs = append(dirs, dir)
	}
	if !found {
		return nil, fmt.Errorf("siteaccess %q does not exist: no directory %s", s.SiteAccess, strings.Join(dirs, " or "))
	}
	return dirs, nil
}

// checkName refuses what would lead out of its directory.
func checkName(what, name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
		return fmt.Errorf("%s: %q is not a plain name", what, name)
	}
	return nil
}

func checkDir(what, dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s %q: %w", what, dir, fs.ErrNotExist)
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case !info.IsDir():
		return fmt.Errorf("%s %q is not a directory", what, dir)
	}
	return nil
}
