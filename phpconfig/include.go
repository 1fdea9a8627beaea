package phpconfig

import (
	"os"
	"path/filepath"
	"strings"
)

// include reads a file that is included, where its path can be told and lies
// under the site root or beside the files that were asked for.
func (s *script) include() {
	t, start := s.peek(), s.pos+1
	s.skipQuietly(s.skipExpression)
	end := s.pos
	if s.tokens[end-1].is(";") {
		end--
	}
	value, err := s.eval(s.tokens[min(start, end):end])
	path, ok := value.(string)
	switch {
	case err != nil || !ok:
		s.warn(t, "", "a file is not included, because its path cannot be told; name it beside this one")
		return
	case path == "" || strings.ContainsRune(path, 0):
		s.warn(t, "", "a file is not included, because its path is empty or has a NUL")
		return
	}
	file, ok := s.locate(path)
	if !ok {
		s.warn(t, "", path+" is not included: it lies outside of the site; name it beside this one")
		return
	}
	s.follow(t, path, file)
}

// follow reads an included file.
func (s *script) follow(t token, path, file string) {
	once := t.isWord("include_once", "require_once")
	chain := 1
	for outer := s; outer != nil; outer = outer.outer {
		if chain++; outer.realPath == realPath(file) {
			if !once {
				s.warn(t, "", path+" is not included: it is being read")
			}
			return
		}
	}
	switch {
	case once && s.hasRead(file):
		return
	case chain > maxChain || len(s.files) >= maxFiles:
		s.warn(t, "", path+" is not included: too many files are")
		return
	}
	if err := s.run(file, s); err != nil {
		s.warn(t, "", "the included file cannot be read: "+err.Error())
	}
}

// locate finds the file that PHP means by a path: relative ones start at the
// site root, in which the gateway's script lies, or else beside this file. It
// reports false for a file outside of the site.
func (s *script) locate(path string) (file string, ok bool) {
	switch {
	case path == "" || strings.Contains(path, "://"):
		return "", false
	case filepath.IsAbs(path):
		return filepath.Clean(path), s.inside(path)
	}
	file = filepath.Join(s.root, path)
	if _, err := os.Stat(file); err != nil && !strings.HasPrefix(path, "./") && !strings.HasPrefix(path, "../") {
		if beside := filepath.Join(filepath.Dir(s.file), path); exists(beside) {
			file = beside
		}
	}
	return file, s.inside(file)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// inside reports whether a file lies under the site root or beside one that was
// asked for, as written or after symbolic links.
func (s *script) inside(file string) bool {
	file, err := filepath.Abs(file)
	if err != nil {
		return false
	}
	for _, dir := range append([]string{s.root}, s.dirs...) {
		abs, err := filepath.Abs(dir)
		if err == nil && (under(abs, file) || under(realPath(dir), file)) {
			return true
		}
	}
	// __DIR__ of a file that was asked for by a symbolic link
	for outer := s; outer != nil; outer = outer.outer {
		if under(outer.phpDir(), file) {
			return true
		}
	}
	return false
}

func under(dir, file string) bool {
	return strings.HasPrefix(file, strings.TrimSuffix(filepath.Clean(dir), "/")+"/")
}
