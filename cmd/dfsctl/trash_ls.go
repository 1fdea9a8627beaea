package main

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

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
		Long: `List the files whose contents a purge, or a check --delete, has moved into the
trash of their backends, all or those at PATH and below it. One path may be there
several times: its stamp, the day of the purge, tells them apart. Where a backend
has no Trash among its settings contents are deleted at once. Of what a killed
purge has begun only the backend can tell whether it is there: one that does not
answer is named after all others are listed, and the exit code is 1.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTrash(cmd.Context(), args, func(s session, files iter.Seq2[metadata.Trashed, error]) error {
				return a.listTrash(files)
			})
		},
	}
}

func (a *app) listTrash(files iter.Seq2[metadata.Trashed, error]) error {
	var held []metadata.Trashed
	var unsure unsureTrash
	for t, err := range files {
		if unsure.takes(err) {
			continue
		}
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
	return unsure.err()
}

// unsureTrash is of which files nobody can tell whether they are in the trash: how
// many of each backend, and what it said of the first.
type unsureTrash struct {
	first []*cluster.UnsureError
	more  map[string]int
}

// takes reports whether an error says so of a file.
func (u *unsureTrash) takes(err error) bool {
	var unsure *cluster.UnsureError
	if !errors.As(err, &unsure) {
		return false
	}
	if n, known := u.more[unsure.Backend]; known {
		u.more[unsure.Backend] = n + 1
		return true
	}
	if u.more == nil {
		u.more = make(map[string]int)
	}
	u.first, u.more[unsure.Backend] = append(u.first, unsure), 0
	return true
}

// err is nil if there are none.
func (u *unsureTrash) err() error {
	var all problems
	for _, first := range u.first {
		err := error(first)
		if n := u.more[first.Backend]; n > 0 {
			err = fmt.Errorf("%w; nor of %d more", first, n)
		}
		all = append(all, err)
	}
	if len(all) == 0 {
		return nil
	}
	return all
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

// isUnsure reports whether an error is that of a single file.
func isUnsure(err error) bool {
	var unsure *cluster.UnsureError
	return errors.As(err, &unsure)
}
