package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// sortLimit is how many rows are held back to be sorted by name; a longer list
// is printed as it comes, so that memory stays bounded.
const sortLimit = 10_000

func newLs(a *app) *cobra.Command {
	var options cluster.ListOptions
	var long, expired bool
	c := &cobra.Command{
		Use: "ls [PREFIX]", Short: "List files", Args: arguments(0, 1),
		Long: `List the live files whose path begins with PREFIX, which is a string and no
directory, or with --expired those that are expired and not purged. Up to 10,000
are sorted by name; a longer list comes in the order of the hashes of the names.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			options.Prefix, options.Expired = strings.Join(args, ""), &expired
			return a.withCluster(cmd.Context(), func(s session) error {
				l := &listing{a: a, s: s, long: long}
				for row, err := range s.List(cmd.Context(), options) {
					if err != nil {
						return err
					}
					if row.Live() == expired {
						continue // the flag says one thing, the sign of mtime the other
					}
					if err := l.add(row); err != nil {
						return err
					}
				}
				return l.flush()
			})
		},
	}
	c.Flags().BoolVarP(&long, "long", "l", false, "show size, last change, scope, type and backend")
	c.Flags().BoolVar(&expired, "expired", false, "list expired files instead of live ones")
	c.Flags().StringSliceVar(&options.Scopes, "scope", nil, "only these `SCOPES`")
	return c
}

// listing prints rows, sorted as long as they are not too many.
type listing struct {
	a        *app
	s        session
	long     bool
	held     []metadata.Row
	unsorted bool
}

func (l *listing) add(row metadata.Row) error {
	if l.unsorted {
		return l.print(row)
	}
	if l.held = append(l.held, row); len(l.held) <= sortLimit {
		return nil
	}
	l.unsorted = true
	l.a.note("more than %d files: they come in the order of the hashes of their names", sortLimit)
	return l.printHeld()
}

// flush prints what is held back.
func (l *listing) flush() error {
	slices.SortFunc(l.held, func(a, b metadata.Row) int { return strings.Compare(a.Name, b.Name) })
	return l.printHeld()
}

func (l *listing) printHeld() error {
	for _, row := range l.held {
		if err := l.print(row); err != nil {
			return err
		}
	}
	l.held = nil
	return nil
}

func (l *listing) print(row metadata.Row) error {
	switch {
	case l.a.json:
		return l.a.printJSON(l.s.row(row))
	case !l.long:
		_, err := l.a.stdout.WriteString(row.Name + "\n")
		return err
	}
	mark := ""
	if !row.Live() {
		mark = "expired"
	}
	l.a.printf("%12d  %s  %-15s %-26s %-7s %-8s %s\n",
		row.Size, date(row.ModTime()), row.Scope, row.DataType, mark, l.s.backendOf(row.Name), row.Name)
	return nil
}
