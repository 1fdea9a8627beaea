package migrate

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
)

// TestOvertaken: a host that knows nothing of the migration has stored on the old
// store what the new one has already. Whatever is done next leaves both bodies,
// and says so.
func TestOvertaken(t *testing.T) {
	for _, target := range []string{"nfs:new", "s3"} {
		for name, newest := range map[string]string{"same size": "NEW BODY", "other size": "the newest body"} {
			t.Run(target+"/"+name, func(t *testing.T) {
				s := newSite(t, false, target)
				before := s.host(t, "nfs", "")
				store(t, before, prefix+"/copied", "old body")
				store(t, before, prefix+"/fine", "fine")
				c := s.host(t, target, "nfs")
				store(t, c, prefix+"/stored", "old body")
				phpStore(t, s, prefix+"/stored", newest)

				// The first pass looks at the target only where it meets a body.
				paths := []string{prefix + "/stored"}
				wantOvertaken(t, "the first pass", paths, target, copying(move(t, c, "nfs", target, Options{Progress: new(bulk.Progress)})))
				wantOn(t, s, "nfs", paths, newest)
				phpStore(t, s, prefix+"/copied", newest)
				paths = append(paths, prefix+"/copied")
				for _, step := range overtakenSteps {
					m := move(t, c, "nfs", target, Options{Progress: new(bulk.Progress), VerifyContents: step.contents})
					if step.back {
						m = move(t, c, target, "nfs", Options{Progress: new(bulk.Progress), Ahead: true})
					}
					wantOvertaken(t, step.name, paths, target, step.run(m))
					wantOn(t, s, "nfs", paths, newest)
					wantOn(t, s, target, paths, "old body")
				}
				if _, gone := held(t, s.backend(t, "nfs"))[prefix+"/fine"]; gone {
					t.Error("nobody deleted from the source what may go")
				}
			})
		}
	}
}

// overtakenSteps are what an administrator may do next.
var overtakenSteps = []struct {
	name     string
	contents bool
	back     bool
	run      func(*Migration) func(*testing.T) *bulk.Progress
}{
	{"copy", false, false, copying},
	{"roll back", false, true, copying},
	{"verify", false, false, verifying},
	{"verify contents", true, false, verifying},
	{"roll back after readers", false, true, copying},
	{"delete the source", false, false, deleting},
}

func copying(m *Migration) func(*testing.T) *bulk.Progress {
	return func(t *testing.T) *bulk.Progress {
		if _, err := m.Copy(t.Context()); err != nil {
			t.Error(err)
		}
		return m.options.Progress
	}
}

func verifying(m *Migration) func(*testing.T) *bulk.Progress {
	return func(t *testing.T) *bulk.Progress {
		if counts, err := m.Verify(t.Context()); err != nil || counts.Failed == 0 {
			t.Errorf("verified: %+v, %v", counts, err)
		}
		return m.options.Progress
	}
}

func deleting(m *Migration) func(*testing.T) *bulk.Progress {
	return func(t *testing.T) *bulk.Progress {
		if counts, err := m.DeleteSource(t.Context()); err != nil || counts.Failed == 0 {
			t.Errorf("deleted: %+v, %v", counts, err)
		}
		return m.options.Progress
	}
}

// wantOvertaken does a step, in which just these paths are to fail because nfs
// holds a newer body than target.
func wantOvertaken(t *testing.T, step string, paths []string, target string, do func(*testing.T) *bulk.Progress) {
	t.Helper()
	all := failures(do(t))
	if len(all) != len(paths) {
		t.Errorf("%s: failed %v", step, all)
	}
	for _, path := range paths {
		want := fmt.Sprintf("nfs holds a newer body than %s, which the rules name first: "+
			"has somebody stored it by other rules? Store that one again, or delete it from nfs", target)
		if all[path] == nil || all[path].Error() != want {
			t.Errorf("%s: %s: %v, want %s", step, path, all[path], want)
		}
	}
}

// wantOn compares bodies on one store.
func wantOn(t *testing.T, s *site, backend string, paths []string, want string) {
	t.Helper()
	c := s.host(t, backend, "")
	for _, path := range paths {
		wantBody(t, c, path, want)
	}
}

// TestOvertakenAhead: ahead of the rules the new store has a newer body when
// somebody goes by the new rules already.
func TestOvertakenAhead(t *testing.T) {
	for name, newest := range map[string]string{"same size": "NEW BODY", "other size": "the newest body"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, false, "nfs:new")
			c := s.host(t, "nfs", "nfs:new")
			path := prefix + "/file"
			store(t, c, path, "old body")
			after := s.host(t, "nfs:new", "")
			if _, err := after.Store(t.Context(), path, strings.NewReader(newest), cluster.StoreOptions{Scope: "image"}); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				progress := new(bulk.Progress)
				counts, err := move(t, c, "nfs", "nfs:new", Options{Ahead: true, Progress: progress}).Copy(t.Context())
				failed := failures(progress)[path]
				if err != nil || counts.Failed != 1 || failed == nil ||
					!strings.HasSuffix(failed.Error(), "Store that one again, or delete it from nfs:new") {
					t.Errorf("%+v, %v, %v", counts, err, failed)
				}
				wantOn(t, s, "nfs:new", []string{path}, newest)
			}
		})
	}
}

// refuser refuses to tell of a body.
type refuser struct {
	backends.Backend
	path string
}

func (r *refuser) Stat(ctx context.Context, path string) (backends.Info, error) {
	if path == r.path {
		return backends.Info{}, &backends.Error{Backend: r.Name(), Op: "stat", Path: path, Kind: fs.ErrPermission}
	}
	return r.Backend.Stat(ctx, path)
}

// TestTargetRefuses: of what the target tells nothing about the source keeps its
// body, and the reason is told.
func TestTargetRefuses(t *testing.T) {
	s := newSite(t, false, "nfs:new")
	before := s.host(t, "nfs", "")
	for _, name := range []string{"/fine", "/refused"} {
		store(t, before, prefix+name, "body")
	}
	path := prefix + "/refused"
	if _, err := move(t, s.host(t, "nfs:new", "nfs"), "nfs", "nfs:new", Options{}).Copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := s.host(t, "nfs:new", "nfs", cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend {
		if b.Name() != "nfs:new" {
			return b
		}
		return &refuser{b, path}
	}))
	progress := new(bulk.Progress)
	counts, err := move(t, c, "nfs", "nfs:new", Options{Progress: progress}).DeleteSource(t.Context())
	if err != nil || counts.Failed != 1 || counts.Deleted != 1 || counts.Kept != 0 {
		t.Errorf("%+v, %v", counts, err)
	}
	if failed := failures(progress)[path]; failed == nil || !strings.Contains(failed.Error(), fs.ErrPermission.Error()) {
		t.Errorf("the reason: %v", failed)
	}
	wantOn(t, s, "nfs", []string{path}, "body")
}
