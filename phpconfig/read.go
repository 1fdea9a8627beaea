package phpconfig

import (
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"example.com/ezdfs/settings"
)

// Bounds of what is read.
const (
	maxFile  = 512 << 10 // bytes of a file
	maxFiles = 32        // with those that others include
	maxChain = 8         // files that include one another
)

// Read reads files in their order, as if each were included after the other:
// of a constant that several define the first counts. PHP's gateway includes
// config.php, then config.cluster.php. Relative names start at the working
// directory; includes inside of the files start at root, the site root, as they
// do in PHP. A file that others have included before is not read again.
//
// The warnings, each a *[LineError], say what was not taken. The error, also a
// *LineError, is of a file that cannot be opened, that is larger than 512 KiB
// or no regular file, or that PHP could not read either; the same in an included
// file is a warning.
func Read(root string, files ...string) (Config, []error, error) {
	r := &reader{root: cmp.Or(root, ".")}
	for _, file := range files {
		r.dirs = append(r.dirs, filepath.Dir(file))
	}
	for _, file := range files {
		if r.hasRead(file) {
			continue
		}
		if err := r.run(file, nil); err != nil {
			return r.config, r.warnings, err
		}
	}
	return r.config, r.warnings, nil
}

// reader collects what files define.
type reader struct {
	root     string
	dirs     []string // of the files that were asked for
	config   Config
	warnings []error
	files    []os.FileInfo // those read
	exited   bool          // PHP would have ended
}

// script is one file being read.
type script struct {
	*reader
	file       string // as messages name it
	realPath   string // absolute and without symbolic links
	outer      *script
	tokens     []token
	pos        int
	depth      int
	namespaced bool
	returned   bool
}

// run reads one file, which outer includes unless it is nil.
func (r *reader) run(file string, outer *script) error {
	source, info, err := load(file)
	if err != nil {
		return &LineError{Origin: settings.Origin{File: file}, Reason: err.Error()}
	}
	r.files = append(r.files, info)
	return r.interpret(file, source, outer)
}

// interpret reads the text of a file.
func (r *reader) interpret(file, source string, outer *script) error {
	tokens, err := lex(source)
	if err != nil {
		where := settings.Origin{File: file}
		var at *lexError
		if errors.As(err, &at) {
			where.Line, err = at.line, errors.New(at.reason)
		}
		return &LineError{Origin: where, Reason: err.Error()}
	}
	s := &script{reader: r, file: file, realPath: realPath(file), outer: outer, tokens: tokens}
	for !s.done() {
		s.statement()
		if s.peek().is("}") {
			s.pos++
		}
	}
	return nil
}

// load reads a whole file, if it is a regular one of bounded size.
func load(file string) (string, os.FileInfo, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe is not waited for
	if err != nil {
		return "", nil, cause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", nil, cause(err)
	case !info.Mode().IsRegular():
		return "", nil, errors.New("is no regular file; name a config.php")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", nil, cause(err)
	case len(data) > maxFile:
		return "", nil, errors.New("is larger than 512 KiB; name a config.php")
	}
	return string(data), info, nil
}

// cause is an error without the file's name, which stands before it.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// hasRead reports whether a file was read before, under any name.
func (r *reader) hasRead(file string) bool {
	info, err := os.Stat(file)
	return err == nil && slices.ContainsFunc(r.files, func(known os.FileInfo) bool { return os.SameFile(known, info) })
}

// realPath is what PHP calls a file.
func realPath(file string) string {
	path, err := filepath.Abs(file)
	if err != nil {
		path = file
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path
}

// phpDir is __DIR__.
func (s *script) phpDir() string { return filepath.Dir(s.realPath) }

func (s *script) origin(t token) settings.Origin {
	return settings.Origin{File: s.file, Line: t.line}
}

// warn reports what is not taken. Constant may be empty.
func (s *script) warn(t token, constant, reason string) {
	s.warnings = append(s.warnings, &LineError{Origin: s.origin(t), Constant: constant, Reason: reason})
}

// done reports whether nothing of the file is left that PHP would run.
func (s *script) done() bool {
	return s.exited || s.returned || s.peek().kind == eof
}

func (s *script) peek() token { return s.tokens[s.pos] }

// ahead is the token n after the next one.
func (s *script) ahead(n int) token {
	return s.tokens[min(s.pos+n, len(s.tokens)-1)]
}

// lower is the next token's word, for the switch of statements.
func (s *script) lower() string {
	if t := s.peek(); t.kind == name {
		return strings.ToLower(strings.TrimPrefix(t.text, `\`))
	}
	return ""
}
