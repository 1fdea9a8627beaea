package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"example.com/ezdfs/metadata"
)

func newTrash(a *app) *cobra.Command {
	return group("trash", "List, restore or remove what was purged into a trash", newTrashLs(a), newTrashRestore(a), newTrashEmpty(a))
}

// trashJSON is a file in the trash as JSON shows it.
type trashJSON struct {
	Name     string `json:"name"`
	Stamp    string `json:"stamp"`
	DataType string `json:"datatype"`
	Scope    string `json:"scope"`
	Size     int64  `json:"size"`
	MTime    int64  `json:"mtime"`
	Purged   int64  `json:"purged"` // Unix seconds
	Backend  string `json:"backend"`
	Location string `json:"location"` // of the body inside the backend
}

func newTrashJSON(t metadata.Trashed) trashJSON {
	return trashJSON{t.Name, t.Stamp, t.DataType, t.Scope, t.Size, t.ModTime.Unix(), t.Time.Unix(), t.Backend, t.Location}
}

func newTrashLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "ls [PATH...]", Short: "List what is in the trash", Args: arguments(0, -1),
		Long: `List the purged files whose contents are in the trash of their backends, all or
those at PATH and below it. One path may be there several times: its stamp, the
day of the purge, tells them apart. Where a backend has no Trash among its
settings a purge deletes at once.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTrash(cmd.Context(), args, func(s session, files iter.Seq2[metadata.Trashed, error]) error {
				return a.listTrash(files)
			})
		},
	}
}

func (a *app) listTrash(files iter.Seq2[metadata.Trashed, error]) error {
	var held []metadata.Trashed
	for t, err := range files {
		if err != nil {
			return err
		}
		if a.json {
			if err := a.printJSON(newTrashJSON(t)); err != nil {
				return err
			}
			continue
		}
		if held = append(held, t); len(held) > sortLimit {
			a.printTrash(held)
			held = nil
		}
	}
	slices.SortFunc(held, func(x, y metadata.Trashed) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), x.Time.Compare(y.Time))
	})
	a.printTrash(held)
	return nil
}

func (a *app) printTrash(files []metadata.Trashed) {
	if len(files) == 0 {
		return
	}
	rows := make([]table.Row, len(files))
	for i, t := range files {
		rows[i] = table.Row{t.Stamp, t.Size, t.Scope, t.Backend, t.Name}
	}
	a.printTable(table.Row{"stamp", "size", "scope", "backend", "name"}, rows)
}

func newTrashRestore(a *app) *cobra.Command {
	var stamp string
	c := &cobra.Command{
		Use: "restore PATH...", Short: "Bring purged files back", Args: arguments(1, -1),
		Long: `Bring back the files at each PATH and below it from the trash, with the scope,
type and time that they had: of each the one that was purged last, or the one of
--stamp. A file that exists is never replaced: the exit code is 1, after all
others are restored. With --json one document for each file.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTrash(cmd.Context(), args, func(s session, files iter.Seq2[metadata.Trashed, error]) error {
				return a.restore(cmd.Context(), s, args, latest(files, stamp))
			})
		},
	}
	c.Flags().StringVar(&stamp, "stamp", "", "`STAMP` of the purge, as ls shows it")
	return c
}

// latest yields of each name the file that was purged last, or the one of a
// stamp. Files of one name follow each other.
func latest(files iter.Seq2[metadata.Trashed, error], stamp string) iter.Seq2[metadata.Trashed, error] {
	return func(yield func(metadata.Trashed, error) bool) {
		var last *metadata.Trashed
		for t, err := range files {
			if err != nil {
				yield(t, err)
				return
			}
			if stamp != "" && t.Stamp != stamp {
				continue
			}
			if last != nil && last.Name != t.Name && !yield(*last, nil) {
				return
			}
			if last == nil || last.Name != t.Name || t.Time.After(last.Time) {
				last = &t
			}
		}
		if last != nil {
			yield(*last, nil)
		}
	}
}

func (a *app) restore(ctx context.Context, s session, paths []string, files iter.Seq2[metadata.Trashed, error]) error {
	var failed problems
	restored := 0
	for t, err := range files {
		if err != nil {
			return append(failed, err)
		}
		row, err := s.Restore(ctx, t)
		if err != nil {
			if ctx.Err() != nil {
				return &stoppedError{fmt.Sprintf("restored %s so far; the same command goes on", plural(int64(restored), "file"))}
			}
			failed = append(failed, err)
			continue
		}
		restored++
		if err := a.printRow(s, row, "restored %s", row.Name); err != nil {
			return err
		}
	}
	switch {
	case len(failed) > 0:
		return failed
	case restored == 0:
		return &metadata.Error{Op: "restore", Subject: strings.Join(paths, " "), Kind: fs.ErrNotExist, Hint: "nothing of it is in the trash"}
	}
	return nil
}

func newTrashEmpty(a *app) *cobra.Command {
	var older ageFlag
	c := &cobra.Command{
		Use: "empty [PATH...]", Short: "Remove what is in the trash for good", Args: arguments(0, -1),
		Long: `Remove files from the trash for good, all or those at PATH and below it. What was
removed stays removed: the same command goes on after an interruption. With
--json one document for each file, with "error" for one that stays, and at the
end {"summary": {...}}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var before time.Time
			if older > 0 {
				before = time.Now().Add(-time.Duration(older))
			}
			names, err := cleanNames(args)
			if err != nil {
				return err
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				return a.emptyTrash(cmd.Context(), s, names, before)
			})
		},
	}
	c.Flags().Var(&older, "older-than", "only what was purged at least `AGE` ago, such as 30d or 12h")
	return c
}

func (a *app) emptyTrash(ctx context.Context, s session, names []string, before time.Time) error {
	var summary struct {
		Removed int64 `json:"removed"`
		Failed  int64 `json:"failed"`
		Bytes   int64 `json:"bytes"`
	}
	for _, name := range names {
		for batch, err := range s.EmptyTrash(ctx, metadata.TrashFilter{Name: name, Before: before}) {
			for _, t := range batch.Removed {
				summary.Removed++
				summary.Bytes += t.Size
				if a.json {
					err = errors.Join(err, a.printJSON(newTrashJSON(t)))
				}
			}
			for location, why := range batch.Failed {
				summary.Failed++
				a.note("%q stays: %v", location, why)
				if a.json {
					err = errors.Join(err, a.printJSON(map[string]string{"location": location, "error": why.Error()}))
				}
			}
			if err != nil && ctx.Err() != nil {
				return &stoppedError{fmt.Sprintf("removed %s so far; the same command goes on", plural(summary.Removed, "file"))}
			}
			if err != nil {
				return err
			}
		}
	}
	if a.json {
		if err := a.printJSON(map[string]any{"summary": summary}); err != nil {
			return err
		}
	} else {
		a.printf("removed %s, %s\n", plural(summary.Removed, "file"), plural(summary.Bytes, "byte"))
	}
	if summary.Failed > 0 {
		return fmt.Errorf("%s could not be removed", plural(summary.Failed, "file"))
	}
	return nil
}

// cleanNames cleans paths; none stands for all that there is, which is the name
// "".
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
	return names, nil
}

// withTrash calls do with what is in the trash at paths and below them.
func (a *app) withTrash(ctx context.Context, paths []string, do func(session, iter.Seq2[metadata.Trashed, error]) error) error {
	names, err := cleanNames(paths)
	if err != nil {
		return err
	}
	return a.withCluster(ctx, func(s session) error {
		return do(s, func(yield func(metadata.Trashed, error) bool) {
			for _, name := range names {
				for t, err := range s.Trash(ctx, metadata.TrashFilter{Name: name}) {
					if !yield(t, err) || err != nil {
						return
					}
				}
			}
		})
	})
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
