package main

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/metadata"
)

func newTrash(a *app) *cobra.Command {
	return group("trash", "List, restore or remove what was purged into a trash", newTrashLs(a), newTrashRestore(a), newTrashEmpty(a))
}

func newTrashRestore(a *app) *cobra.Command {
	var stamp string
	var flags bulkFlags
	c := &cobra.Command{
		Use: "restore PATH...", Short: "Bring purged files back", Args: arguments(1, -1),
		Long: `Bring back the files at each PATH and below it from the trash, with the scope,
type and time that they had: of each the one that was purged last, or the one of
--stamp. A file that exists is never replaced: the exit code is 1, after all
others are restored. One that has expired makes room, and goes into the trash of
its backend. The exit code is 3 where the trash has nothing of a PATH. What was
restored stays so: the same command goes on after an interruption. With --json
one document for each file, with "error" for one that is not restored, and at
the end {"summary": {...}}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			return a.withTrash(cmd.Context(), args, func(s session, files iter.Seq2[metadata.Trashed, error]) error {
				return a.restore(cmd.Context(), s, args, latest(files, stamp), flags)
			})
		},
	}
	c.Flags().StringVar(&stamp, "stamp", "", "`STAMP` of the purge, as ls shows it")
	flags.add(c, "files")
	return c
}

// latest yields of each name the file that was purged last, or the one of a
// stamp. Files of one name follow each other.
func latest(files iter.Seq2[metadata.Trashed, error], stamp string) iter.Seq2[metadata.Trashed, error] {
	return func(yield func(metadata.Trashed, error) bool) {
		var last *metadata.Trashed
		var why error // of which nobody can tell whether it is there
		for t, err := range files {
			if err != nil && !isUnsure(err) {
				yield(t, err)
				return
			}
			if stamp != "" && t.Stamp != stamp {
				continue
			}
			if last != nil && last.Name != t.Name && !yield(*last, why) {
				return
			}
			if last == nil || last.Name != t.Name || t.Time.After(last.Time) {
				last, why = &t, err
			}
		}
		if last != nil {
			yield(*last, why)
		}
	}
}

// trashRun is a bulk operation on the trash, which tells no more than how many
// files it has done.
func (a *app) trashRun(verb string, flags bulkFlags) (*bulkRun, bulk.TrashOptions) {
	r := &bulkRun{a: a, verb: verb, mode: flags.progress, progress: new(bulk.Progress)}
	r.tell = r.printTrash
	return r, bulk.TrashOptions{Limits: flags.limits, Progress: r.progress}
}

// trashSummary is how it went, as JSON shows it.
type trashSummary struct {
	summary
	Restored *int64 `json:"restored,omitempty"`
	Removed  *int64 `json:"removed,omitempty"`
}

func (r *bulkRun) printTrash(s summary, _ error) error {
	if r.a.json {
		full := trashSummary{summary: s}
		if r.verb == "restored" {
			full.Restored = &s.Done
		} else {
			full.Removed = &s.Done
		}
		return r.a.printJSON(map[string]trashSummary{"summary": full})
	}
	failed, pace := "", ""
	if s.Failed > 0 {
		failed = fmt.Sprintf("; %d failed", s.Failed)
	}
	if s.Seconds >= 1 {
		pace = "; " + s.pace()
	}
	r.a.printf("%s %s, %s%s%s\n", r.verb, plural(s.Done, "file"), plural(s.Bytes, "byte"), failed, pace)
	return nil
}

func (a *app) restore(ctx context.Context, s session, paths []string, files iter.Seq2[metadata.Trashed, error], flags bulkFlags) error {
	r, options := a.trashRun("restored", flags)
	names, err := cleanNames(paths)
	if err != nil {
		return err
	}
	absent := make(map[string]bool, len(names)) // those of which the trash has nothing
	for _, name := range names {
		absent[name] = true
	}
	err = r.run(ctx, func(ctx context.Context) error {
		return bulk.Restore(ctx, s.Cluster, strike(absent, files), options, func(row metadata.Row) error {
			if err := a.printRow(s, row, "restored %s", row.Name); err != nil {
				return err
			}
			return a.stdout.Flush()
		})
	})
	if err == nil && len(absent) > 0 {
		err = &metadata.Error{Op: "restore", Subject: strings.Join(slices.Sorted(maps.Keys(absent)), " "), Kind: fs.ErrNotExist, Hint: "nothing of it is in the trash"}
	}
	return err
}

// strike removes the names of which there is a file, or one below, as it yields
// them.
func strike(names map[string]bool, files iter.Seq2[metadata.Trashed, error]) iter.Seq2[metadata.Trashed, error] {
	return func(yield func(metadata.Trashed, error) bool) {
		for t, err := range files {
			maps.DeleteFunc(names, func(name string, _ bool) bool {
				return t.Name == name || strings.HasPrefix(t.Name, name+"/")
			})
			if !yield(t, err) {
				return
			}
		}
	}
}

func newTrashEmpty(a *app) *cobra.Command {
	var older ageFlag
	var flags bulkFlags
	c := &cobra.Command{
		Use: "empty [PATH...]", Short: "Remove what is in the trash for good", Args: arguments(0, -1),
		Long: `Remove files from the trash for good, all or those at PATH and below it. What was
removed stays removed: the same command goes on after an interruption. With
--json one document for each file, with "error" for one that stays, and at the
end {"summary": {...}}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			var before time.Time
			if older > 0 {
				before = time.Now().Add(-time.Duration(older))
			}
			names, err := cleanNames(args)
			if err != nil {
				return err
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				return a.emptyTrash(cmd.Context(), s, names, before, flags)
			})
		},
	}
	c.Flags().Var(&older, "older-than", "only what was purged at least `AGE` ago, such as 30d or 12h")
	flags.addUnpaced(c, "batches of a thousand files")
	return c
}

func (a *app) emptyTrash(ctx context.Context, s session, names []string, before time.Time, flags bulkFlags) error {
	r, options := a.trashRun("removed", flags)
	return r.run(ctx, func(ctx context.Context) error {
		// What a killed purge announced and never moved goes too.
		files := each(names, func(name string) iter.Seq2[metadata.Trashed, error] {
			return s.Metadata().Trash(ctx, metadata.TrashFilter{Name: name, Before: before})
		})
		return bulk.EmptyTrash(ctx, s.Cluster, files, options, func(removed []metadata.Trashed) error {
			for _, t := range removed {
				if !a.json {
					break
				}
				if err := a.printJSON(newTrashJSON(t)); err != nil {
					return err
				}
			}
			return a.stdout.Flush()
		})
	})
}

// cleanNames cleans paths and leaves out those below another of them; none
// stands for all that there is, which is the name "".
func cleanNames(paths []string) ([]string, error) {
	if len(paths) == 0 {
		return []string{""}, nil
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		name, err := metadata.CleanName(path)
		if err != nil {
			return nil, err
		}
		names[i] = name
	}
	all := slices.Clone(names)
	names = slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(all, func(other string) bool { return strings.HasPrefix(name, other+"/") })
	})
	slices.Sort(names)
	return slices.Compact(names), nil
}

// withTrash calls do with what is in the trash at paths and below them.
func (a *app) withTrash(ctx context.Context, paths []string, do func(session, iter.Seq2[metadata.Trashed, error]) error) error {
	names, err := cleanNames(paths)
	if err != nil {
		return err
	}
	return a.withCluster(ctx, func(s session) error {
		return do(s, each(names, func(name string) iter.Seq2[metadata.Trashed, error] {
			return s.Trash(ctx, metadata.TrashFilter{Name: name})
		}))
	})
}

// each yields what is in the trash of each name, up to the first error that is not
// a single file's.
func each(names []string, of func(name string) iter.Seq2[metadata.Trashed, error]) iter.Seq2[metadata.Trashed, error] {
	return func(yield func(metadata.Trashed, error) bool) {
		for _, name := range names {
			for t, err := range of(name) {
				if !yield(t, err) || err != nil && !isUnsure(err) {
					return
				}
			}
		}
	}
}

// ageFlag is a duration that may be given in days.
type ageFlag time.Duration

func (f *ageFlag) Type() string   { return "age" }
func (f *ageFlag) String() string { return "" }

func (f *ageFlag) Set(word string) error {
	if days, ok := strings.CutSuffix(word, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > maxDays {
			return fmt.Errorf("%q is not an age such as 30d", word)
		}
		*f = ageFlag(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(word)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not an age such as 30d or 12h", word)
	}
	*f = ageFlag(d)
	return nil
}
