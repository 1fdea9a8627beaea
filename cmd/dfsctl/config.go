package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/internal/doctor"
	"example.com/ezdfs/settings"
)

func newConfig(a *app) *cobra.Command {
	return group("config", "Show or check the settings", newConfigShow(a), newConfigCheck(a))
}

func newConfigShow(a *app) *cobra.Command {
	var origin bool
	c := &cobra.Command{
		Use: "show", Short: "Print the effective settings", Args: arguments(0, 0),
		Long: "Print every setting in effect, defaults included, as INI. Secrets are shown as stars.",
		RunE: func(*cobra.Command, []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(s.Entries())
			}
			a.printEntries(s.Entries(), origin)
			return nil
		},
	}
	c.Flags().BoolVar(&origin, "origin", false, "add what set each: a file and line, the environment, or the default")
	return c
}

func (a *app) printEntries(entries []settings.Entry, origin bool) {
	file, group := "", ""
	for i, entry := range entries {
		if entry.File != file || entry.Group != group {
			if i > 0 {
				a.printf("\n")
			}
			if entry.File != file {
				a.printf("# %s\n", entry.File)
			}
			file, group = entry.File, entry.Group
			a.printf("[%s]\n", group)
		}
		a.printf("%s=%s", entry.Key, entry.Value)
		if origin {
			a.printf("  ## %s", entry.Origin)
		}
		a.printf("\n")
	}
}

// mountPatience is how long a mount may take to answer.
const mountPatience = 10 * time.Second

func newConfigCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "List everything wrong with the settings", Args: arguments(0, 0),
		Long: `List everything that is wrong with the settings, errors first, each with the file
and line and what to do. No database and no bucket is reached; doctor does that.
The exit code is 4 when anything is listed, be it a warning.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := a.checkSettings(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				if err := a.printJSON(found); err != nil {
					return err
				}
			} else {
				for _, p := range found {
					a.printf("%s\n", p)
				}
			}
			return countFound(found, func(p settings.Problem) bool { return p.Severity == settings.SeverityError })
		},
	}
}

// checkSettings lists what is wrong; a settings directory that is not there is
// an error of its own.
func (a *app) checkSettings(ctx context.Context) ([]settings.Problem, error) {
	options, err := a.options()
	if err != nil {
		return nil, err
	}
	if _, err := a.source().Candidates("file.ini"); err != nil {
		return nil, a.wrongSettings(err)
	}
	ctx, cancel := context.WithTimeout(ctx, mountPatience)
	defer cancel()
	found := settings.Check(ctx, options)
	if s, err := settings.Load(options); err == nil {
		found = slices.Concat(doctor.WrongSettings(s), doctor.WrongTargets(ctx, s, found), found)
	}
	if found == nil {
		found = []settings.Problem{}
	}
	return found, nil
}

// countFound is the error of a check that found something.
func countFound[T any](found []T, isError func(T) bool) error {
	if len(found) == 0 {
		return nil
	}
	var failures int64
	for _, f := range found {
		if isError(f) {
			failures++
		}
	}
	return &foundError{fmt.Sprintf("%s and %s found", plural(failures, "error"), plural(int64(len(found))-failures, "warning"))}
}
