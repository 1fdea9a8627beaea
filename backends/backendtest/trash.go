package backendtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

// RunTrash checks a backend whose setting Trash is "var-trash/bodies", given
// one without it on the same, empty store: bodies there are as good as absent.
func RunTrash(t *testing.T, hiding, all backends.Backend) {
	const trash = "var-trash/bodies"
	visible := []string{"a", "var-tras", "var-trash/bodie", "var-trash/bodies-of-others/a", "var-trash/other/a", "var/a", "z"}
	var hidden []string
	for i := range 5 {
		hidden = append(hidden, fmt.Sprintf("%s/2026-11-2%d/var/a", trash, i))
	}
	for _, path := range slices.Concat(visible, hidden) {
		stageInto(t, all, path)
	}
	if got := listAll(t, all, "", ""); len(got) != len(visible)+len(hidden) {
		t.Fatalf("without a trash %q are listed", got)
	}
	for _, test := range []struct{ prefix, after, want string }{
		{"", "", strings.Join(visible, " ")},
		{"var", "", "var-tras var-trash/bodie var-trash/bodies-of-others/a var-trash/other/a var/a"},
		{"var-trash/bodies", "", "var-trash/bodies-of-others/a"},
		{trash + "/", "", ""},
		{trash + "/2026-11-21/", "", ""},
		{"", trash, "var-trash/bodies-of-others/a var-trash/other/a var/a z"},
		{"", trash + "/2026-11-22/var/a", "var-trash/other/a var/a z"},
		{"", "var-trash/z", "var/a z"},
	} {
		if got := strings.Join(listAll(t, hiding, test.prefix, test.after), " "); got != test.want {
			t.Errorf("listed with prefix %q after %q: %q, want %q", test.prefix, test.after, got, test.want)
		}
	}
	if walker, ok := hiding.(backends.Walker); ok {
		walkPastTrash(t, walker, visible)
	}
	for op, do := range trashCalls(hiding, hidden[0]) {
		if err := do(t.Context()); !errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s in the trash: %v", op, err)
		}
	}
	if _, err := all.Stat(t.Context(), hidden[0]); err != nil {
		t.Errorf("what was in the trash: %v", err)
	}
}

func stageInto(t *testing.T, b backends.Backend, path string) {
	t.Helper()
	staged, err := b.Stage(t.Context(), path, strings.NewReader("body"), backends.Attributes{Size: 4})
	if err == nil {
		err = staged.Publish(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func listAll(t *testing.T, b backends.Backend, prefix, after string) (paths []string) {
	t.Helper()
	for info, err := range b.List(t.Context(), prefix, after) {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, info.Path)
	}
	return paths
}

func walkPastTrash(t *testing.T, walker backends.Walker, visible []string) {
	t.Helper()
	var walked []string
	err := walker.Walk(t.Context(), "", 1, func(info backends.Info) error { walked = append(walked, info.Path); return nil }, nil)
	slices.Sort(walked)
	if want := slices.Sorted(slices.Values(visible)); err != nil || !slices.Equal(walked, want) {
		t.Errorf("walked %q, %v, want %q", walked, err, want)
	}
}

// trashCalls are all methods that take a path.
func trashCalls(b backends.Backend, path string) map[string]func(context.Context) error {
	calls := map[string]func(context.Context) error{
		"stat": func(ctx context.Context) error { _, err := b.Stat(ctx, path); return err },
		"open": func(ctx context.Context) error { _, err := b.Open(ctx, path, 0, -1); return err },
		"stage": func(ctx context.Context) error {
			_, err := b.Stage(ctx, path, strings.NewReader("x"), backends.Attributes{Size: 1})
			return err
		},
		"delete":    func(ctx context.Context) error { return b.Delete(ctx, []string{path}) },
		"copy to":   func(ctx context.Context) error { return backends.Copy(ctx, b, "a", path) },
		"copy from": func(ctx context.Context) error { return backends.Copy(ctx, b, path, "b") },
	}
	if renamer, ok := b.(backends.Renamer); ok {
		calls["rename to"] = func(ctx context.Context) error { return renamer.Rename(ctx, "a", path) }
		calls["rename from"] = func(ctx context.Context) error { return renamer.Rename(ctx, path, "b") }
	}
	if signer, ok := b.(backends.URLSigner); ok {
		calls["sign"] = func(ctx context.Context) error { _, err := signer.SignURL(ctx, path, time.Hour); return err }
	}
	return calls
}
