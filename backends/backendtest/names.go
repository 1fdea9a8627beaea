package backendtest

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

var errInvalid = fs.ErrInvalid

// OddNames are valid paths that stores and URLs mistreat.
func OddNames() []string {
	return []string{
		"with space", " leading space", "trailing space ", "two  spaces", "dir with space/file with space.txt",
		"plus+plus", "per%cent", "%2F", "%2e%2e/x", "100%", "hash#tag", "query?x=1&y=2", "semi;colon", "a:b", "a=b", "at@home",
		"quote'single", `quote"double`, "back`tick", "<angle>", "[brackets]", "{braces}", "pipe|", "caret^", "tilde~", "dollar$", "comma,", "star*", "bang!", "(parens)",
		`back\slash`, "\\", "-dash", "--", "a..b", "...", "....", ".hidden", ".hid/.file", "..data", "trailing.", "trailing.dot./x.", ".nfs-but-not-quite/x",
		"tab\there", "bell\a", "del\x7f", "new\nline",
		"nfc-\u00e9", "nfd-e\u0301", "\u4e2d\u6587/\u65e5\u672c\u8a9e.txt", "emoji-\U0001F600.png", "\u200bzero width", "\u202ertl", "\ufeffbom", "\u0430\u0431\u0432",
		"Case.PNG", "case.png", "CASE/a", "case/A", "case/a",
		strings.Repeat("n", 255), "long/" + strings.Repeat("\u00e9", 127) + "/x", strings.Repeat("deep/", 60) + "x",
		"ezfile-tmp", "ezfile-tmpx/x", "a.ezfile-tmp.b", "var/site/storage/images/a-b_c.png",
	}
}

// InvalidPaths are paths that every method refuses.
func InvalidPaths() []string {
	return []string{
		"", ".", "..", "/", "/abs", "/abs/path", "a//b", "a/", "a/b/", "./a", "a/./b", "a/.", "../a", "a/../b", "a/..", "a/b/../../..",
		"nul\x00", "a/\x00/b", "bad\xffutf8", "\xc3/a",
		"ezfile-tmp.x", "a/ezfile-tmp.0123456789abcdef", "ezfile-tmp.dir/file", backends.NewStagedName(),
	}
}

func (h Harness) oddNames() []string {
	return slices.DeleteFunc(OddNames(), func(name string) bool { return h.Unsupported != nil && h.Unsupported(name) })
}

var nameTests = []test{
	{"odd names", oddNamesStay},
	{"twins", func(t *testing.T, h Harness, s store) {
		twins := []string{"Twin/A.png", "Twin/a.png", "twin/A.png", "twin/a.png", "twin/e\u0301", "twin/\u00e9", "twin/a.png ", "twin/a+b", "twin/a b", "twin/a%20b"}
		twins = slices.DeleteFunc(twins, func(name string) bool { return h.Unsupported != nil && h.Unsupported(name) })
		for _, path := range twins {
			s.put(t, path, "this is "+path)
		}
		if err := s.Delete(t.Context(), twins[:1]); err != nil {
			t.Fatal(err)
		}
		for _, path := range twins[1:] {
			s.wantBody(t, path, "this is "+path)
		}
	}},
	{"file and directory of one name", func(t *testing.T, h Harness, s store) {
		if h.DirectoryConflict {
			t.Skip("the bodies a and a/b cannot coexist here")
		}
		s.put(t, "a", "file")
		s.put(t, "a/b", "below")
		s.put(t, "a/b/c", "further below")
		s.wantBody(t, "a", "file")
		if err := s.Delete(t.Context(), []string{"a/b"}); err != nil {
			t.Fatal(err)
		}
		s.wantBody(t, "a", "file")
		s.wantBody(t, "a/b/c", "further below")
	}},
	{"invalid paths", invalidPaths},
}

func oddNamesStay(t *testing.T, h Harness, s store) {
	names := h.oddNames()
	for _, path := range names {
		s.put(t, path, "this is "+path)
	}
	for _, path := range names {
		s.wantBody(t, path, "this is "+path)
		if got := s.stat(t, path).Size; got != int64(len("this is "+path)) {
			t.Errorf("Stat(%q).Size = %d", path, got)
		}
	}
	want := slices.Sorted(slices.Values(names))
	if got := s.list(t, "", ""); !slices.Equal(got, want) {
		t.Errorf("List = %q\nwant %q", got, want)
	}
	for _, path := range names {
		if got := s.list(t, path, ""); len(got) == 0 || got[0] != path {
			t.Errorf("List(%q) = %q, want that path first", path, got)
		}
		if err := backends.Copy(t.Context(), s.Backend, path, "copied/"+path); err != nil && len(path) < 255 {
			t.Errorf("Copy(%q): %v", path, err)
		}
	}
	for _, path := range names {
		if err := backends.Rename(t.Context(), s.Backend, path, "renamed/"+path); err != nil {
			t.Errorf("Rename(%q): %v", path, err)
			continue
		}
		s.wantBody(t, "copied/"+path, "this is "+path)
		s.wantBody(t, "renamed/"+path, "this is "+path)
	}
	if err := s.Delete(t.Context(), s.list(t, "", "")); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if left := s.list(t, "", ""); len(left) > 0 {
		t.Errorf("left after Delete: %q", left)
	}
}

// invalidPaths tries each with every method, as the source and as the target.
func invalidPaths(t *testing.T, h Harness, s store) {
	s.put(t, "there", "x")
	for _, path := range InvalidPaths() {
		for _, call := range append(pathCalls(s.Backend), targetCalls(s.Backend)...) {
			s.wantError(t, call.do(t.Context(), path), errInvalid, call.op, path)
		}
		err := s.Delete(t.Context(), []string{"there", path})
		if failed := deleteFailures(err); !errors.Is(err, errInvalid) || len(failed) != 1 || !errors.Is(failed[path], errInvalid) {
			t.Errorf("Delete(%q): %v, want a *backends.DeleteError that names it as invalid", path, err)
		}
	}
	for _, prefix := range []string{"/", "../", "..", "./", "a//", "th//", "there/../", "there/", "bad\xff", "nul\x00"} {
		if got := s.list(t, prefix, ""); len(got) > 0 {
			t.Errorf("List(%q) = %q, want nothing", prefix, got)
		}
	}
	s.wantNothingStaged(t)
}

// pathCall is one method that takes a path, and the operation its errors name.
type pathCall struct {
	op string
	do func(ctx context.Context, path string) error
}

// pathCalls are the methods that need a body at path.
func pathCalls(b backends.Backend) []pathCall {
	calls := []pathCall{
		{"stat", func(ctx context.Context, path string) error {
			_, err := b.Stat(ctx, path)
			return err
		}},
		{"open", func(ctx context.Context, path string) error {
			r, err := b.Open(ctx, path, 0, -1)
			if err == nil {
				r.Close()
			}
			return err
		}},
	}
	if copier, ok := backends.As[backends.Copier](b); ok {
		calls = append(calls, pathCall{"copy", func(ctx context.Context, path string) error {
			return discard(copier.StageCopy(ctx, path, "target"))
		}})
	}
	if renamer, ok := backends.As[backends.Renamer](b); ok {
		calls = append(calls, pathCall{"rename", func(ctx context.Context, path string) error {
			return renamer.Rename(ctx, path, "target")
		}})
	}
	if signer, ok := backends.As[backends.URLSigner](b); ok {
		calls = append(calls, pathCall{"sign", func(ctx context.Context, path string) error {
			_, err := signer.SignURL(ctx, path, time.Minute)
			return err
		}})
	}
	return calls
}

// targetCalls are the methods that make a body at path, from "there" where
// they need another.
func targetCalls(b backends.Backend) []pathCall {
	calls := []pathCall{{"stage", func(ctx context.Context, path string) error {
		staged, err := b.Stage(ctx, path, strings.NewReader("x"), unknown)
		return discard(staged, backends.Info{}, err)
	}}}
	if copier, ok := backends.As[backends.Copier](b); ok {
		calls = append(calls, pathCall{"copy", func(ctx context.Context, path string) error {
			return discard(copier.StageCopy(ctx, "there", path))
		}})
	}
	if renamer, ok := backends.As[backends.Renamer](b); ok {
		calls = append(calls, pathCall{"rename", func(ctx context.Context, path string) error {
			return renamer.Rename(ctx, "there", path)
		}})
	}
	return calls
}

func discard(staged backends.Staged, _ backends.Info, err error) error {
	if err == nil {
		staged.Discard(context.Background())
	}
	return err
}
