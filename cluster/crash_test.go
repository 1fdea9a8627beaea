package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// crash is an operation that is killed, what came before it, and what has to
// be true of its paths after it and after it was repeated.
type crash struct {
	steps []step
	// prepare makes the files the operation starts from.
	prepare func(t *testing.T, c *Cluster, path, other string)
	run     func(ctx context.Context, c *Cluster, path, other string) error
	// may are the contents that each path may have after the crash, done
	// those after the operation was repeated; "<none>" for no live file.
	may, done [2][]string
	// again says that the operation cannot be repeated when it was complete.
	again func(err error) bool
}

const (
	oldBody  = "the old body"
	newBody  = "a new body, longer than the old one"
	noBody   = "<none>"
	oldOther = "another file that was there before"
)

func storeBody(ctx context.Context, c *Cluster, path, body string) error {
	_, err := c.Store(ctx, path, strings.NewReader(body), StoreOptions{Scope: "image"})
	return err
}

func prepareBodies(bodies ...string) func(*testing.T, *Cluster, string, string) {
	return func(t *testing.T, c *Cluster, path, other string) {
		for i, body := range bodies {
			if err := storeBody(t.Context(), c, []string{path, other}[i], body); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func store(ctx context.Context, c *Cluster, path, _ string) error {
	return storeBody(ctx, c, path, newBody)
}

func storeBatch(ctx context.Context, c *Cluster, path, other string) error {
	var items []Item
	for i, p := range []string{path, other} {
		file := filepath.Join(c.root, "local"+fmt.Sprint(i))
		if err := os.WriteFile(file, []byte(newBody), 0o600); err != nil {
			return err
		}
		items = append(items, Item{Path: p, File: file})
	}
	var err error
	for _, result := range c.StoreFiles(ctx, items) {
		err = errors.Join(err, result.Err)
	}
	return err
}

// generate generates path, and takes the lock over that a crash left: its
// clock is past the timeout then.
func generate(ctx context.Context, c *Cluster, path, _ string) error {
	if lock, err := c.meta.Get(ctx, path+metadata.GeneratingSuffix); err == nil {
		c.now = func() time.Time { return lock.ModTime().Add(c.generationTimeout + 2*time.Second) }
	}
	entry, err := c.GetOrGenerate(ctx, path, func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, newBody)
		return err
	}, GenerateOptions{Scope: "image"})
	if err != nil {
		return err
	}
	return entry.Close()
}

// adopt makes a row for the body at path.
func adopt(ctx context.Context, c *Cluster, path, _ string) error {
	info, err := c.stores.Stat(ctx, path)
	if err == nil {
		_, err = c.Adopt(ctx, []FoundBody{{Info: info}}, AdoptOptions{})
	}
	return err
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
func never(error) bool          { return false }

// crashes are all writes and each place between two of their steps.
var crashes = map[string]crash{
	"store": {
		steps:   []step{stepStaged, stepLocked, stepPublished, stepCommitted},
		prepare: prepareBodies(), run: store, again: never,
		may:  [2][]string{{noBody, newBody}, {noBody}},
		done: [2][]string{{newBody}, {noBody}},
	},
	"overwrite": {
		steps:   []step{stepStaged, stepLocked, stepPublished, stepCommitted},
		prepare: prepareBodies(oldBody), run: store, again: never,
		may:  [2][]string{{oldBody, newBody}, {noBody}},
		done: [2][]string{{newBody}, {noBody}},
	},
	"batch": {
		steps:   []step{stepStaged, stepLocked, stepPublished, stepCommitted},
		prepare: prepareBodies(oldBody), run: storeBatch, again: never,
		may:  [2][]string{{oldBody, newBody}, {noBody, newBody}},
		done: [2][]string{{newBody}, {newBody}},
	},
	"copy": {
		steps:   []step{stepStaged, stepLocked, stepPublished, stepCommitted},
		prepare: prepareBodies(newBody, oldOther), again: never,
		run: func(ctx context.Context, c *Cluster, path, other string) error {
			_, err := c.Copy(ctx, path, other)
			return err
		},
		may:  [2][]string{{newBody}, {oldOther, newBody}},
		done: [2][]string{{newBody}, {newBody}},
	},
	"move": {
		steps:   []step{stepStaged, stepLocked, stepPublished, stepMoved, stepDeleted, stepCommitted},
		prepare: prepareBodies(newBody, oldOther), again: isNotExist,
		run: func(ctx context.Context, c *Cluster, path, other string) error {
			_, err := c.Move(ctx, path, other)
			return err
		},
		may:  [2][]string{{newBody, noBody}, {oldOther, newBody}},
		done: [2][]string{{noBody}, {newBody}},
	},
	"generate": {
		steps: []step{stepStaged, stepLocked, stepPublished, stepCommitted},
		prepare: func(t *testing.T, c *Cluster, path, other string) {
			prepareBodies(oldBody)(t, c, path, other)
			if _, err := c.Expire(t.Context(), path); err != nil {
				t.Fatal(err)
			}
		},
		run: generate, again: never,
		may:  [2][]string{{noBody, newBody}, {noBody}},
		done: [2][]string{{newBody}, {noBody}},
	},
	"adopt": {
		steps: []step{stepLocked, stepCommitted},
		prepare: func(t *testing.T, c *Cluster, path, other string) {
			c.writeBody(t, path, newBody)
		},
		run: adopt, again: never,
		may:  [2][]string{{noBody, newBody}, {noBody}},
		done: [2][]string{{newBody}, {noBody}},
	},
	"purge": {
		steps:   []step{stepLocked, stepDeleted, stepCommitted},
		prepare: prepareBodies(oldBody, oldOther), again: never,
		run: func(ctx context.Context, c *Cluster, path, other string) error {
			_, err := c.Purge(ctx, path)
			return err
		},
		may:  [2][]string{{noBody}, {oldOther}},
		done: [2][]string{{noBody}, {oldOther}},
	},
}

// playCrash runs an operation and kills its own process at a step of it. Where
// an operation passes a step several times, the last argument says at which.
func playCrash(ctx context.Context, s settings.Settings, args []string) error {
	operation, at, path, other := args[0], step(args[1]), args[2], args[3]
	c, err := Open(ctx, s)
	if err != nil {
		return err
	}
	c.step = func(reached step) {
		if reached == at {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	crash, ok := crashes[operation]
	if !ok {
		crash, ok = trashCrashes[operation]
	}
	if !ok {
		crash = unnamedCrashes[operation]
	}
	if err := crash.run(ctx, c, path, other); err != nil {
		return err
	}
	return fmt.Errorf("%s never reached %q", operation, at)
}

// TestCrash kills a process between any two steps of every write, on every
// store and engine, and looks at what it left (architecture, invariants 1-4).
func TestCrash(t *testing.T) {
	next := map[string]string{onNFS: onS3, onS3: onGCS, onGCS: onNFS}
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := fullSettings(t, engine)
			createSchema(t, s)
			c := open(t, s)
			for name, crash := range crashes {
				for _, at := range crash.steps {
					for _, prefix := range []string{onNFS, onS3, onGCS} {
						path := prefix + name + "/" + string(at)
						other := next[prefix] + name + "-other/" + string(at)
						if name == "batch" {
							if prefix != onNFS {
								continue // nothing is batched elsewhere
							}
							other = prefix + name + "-other/" + string(at)
						}
						t.Run(name+"/"+string(at)+"/"+filepath.Base(prefix), func(t *testing.T) {
							crash.test(t, s, c, name, at, path, other)
						})
					}
				}
			}
		})
	}
}

func (k crash) test(t *testing.T, s settings.Settings, c *Cluster, name string, at step, path, other string) {
	k.prepare(t, c, path, other)
	child := startOther(t, s, "crash", name, string(at), path, other)
	err := child.cmd.Wait()
	if status, ok := child.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Fatalf("the process was not killed: %v: %s", err, &child.stderr)
	}
	for i, p := range []string{path, other} {
		assertSound(t, c, p, k.may[i])
	}
	// Whoever wants the same again gets it: no lock and no leftover is in the
	// way.
	if err := k.run(t.Context(), c, path, other); err != nil && !k.again(err) {
		t.Errorf("repeating it: %v", err)
	}
	purgeAll(t, c, PurgeOptions{Prefix: path})
	for i, p := range []string{path, other} {
		assertSound(t, c, p, k.done[i])
		if k.done[i][0] == noBody {
			if got := c.body(t, p); got != noBody {
				t.Errorf("%s is left with a body of %d bytes", p, len(got))
			}
		}
	}
	assertListedOnce(t, c, path, other)
}

// assertSound: a live row has a complete body, and once it was read also its
// size.
func assertSound(t *testing.T, c *Cluster, path string, may []string) {
	t.Helper()
	got := c.contents(t, path)
	for _, want := range may {
		if got == want {
			row, err := c.Stat(t.Context(), path)
			if got != noBody && (err != nil || !row.Live() || row.Size != int64(len(got))) {
				t.Errorf("%s reads %d bytes and has the row %+v, %v", path, len(got), row, err)
			}
			return
		}
	}
	t.Errorf("%s reads %q, may be %q", path, got, may)
}

// assertListedOnce: the stores list nothing but the two paths, however much
// was staged and left behind.
func assertListedOnce(t *testing.T, c *Cluster, path, other string) {
	t.Helper()
	for _, p := range []string{path, other} {
		for info, err := range c.stores.List(t.Context(), p, "") {
			if err != nil || info.Path != p {
				t.Errorf("listed %q, %v", info.Path, err)
			}
		}
	}
}

// TestCrashLeavesNoLock: the row of a writer that was killed while it held the
// lock can be written at once.
func TestCrashLeavesNoLock(t *testing.T) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := nfsSettings(t, engine)
			createSchema(t, s)
			c := open(t, s)
			child := startOther(t, s, "crash", "store", string(stepPublished), "var/a", "")
			child.cmd.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := storeBody(ctx, c, "var/a", oldBody); err != nil {
				t.Fatal(err)
			}
			row, err := c.Stat(ctx, "var/a")
			if err != nil || row.Size != int64(len(oldBody)) || row.Trunk != "var/a" {
				t.Errorf("row %+v, %v", row, err)
			}
		})
	}
}
