package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/internal/doctor"
	"example.com/ezdfs/phpconfig"
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
	var configPHP []string
	c := &cobra.Command{
		Use: "check", Short: "List everything wrong with the settings", Args: arguments(0, 0),
		Long: `List everything that is wrong with the settings, errors first, each with the file
and line and what to do. No database and no bucket is reached; doctor does that.
--config-php looks at the settings as dfsctl serve has them with it.
The exit code is 4 when anything is listed, be it a warning.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := a.checkSettings(cmd.Context(), configPHP)
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
	c.Flags().StringArrayVar(&configPHP, "config-php", nil, configPHPUsage)
	return c
}

// configPHPUsage is that of --config-php.
const configPHPUsage = "config.php or config.cluster.php `FILE` whose settings count too; repeatable, in PHP's order"

// checkSettings lists what is wrong; a settings directory that is not there is
// an error of its own.
func (a *app) checkSettings(ctx context.Context, configPHP []string) ([]settings.Problem, error) {
	options, err := a.options()
	if err != nil {
		return nil, err
	}
	if _, err := a.source().Candidates("file.ini"); err != nil {
		return nil, a.wrongSettings(err)
	}
	ctx, cancel := context.WithTimeout(ctx, mountPatience)
	defer cancel()
	var php []settings.Problem
	apply := func(s *settings.Settings) { php = applyPHP(s, configPHP) }
	found := settings.Check(ctx, options, apply)
	if s, err := settings.Load(options); err == nil {
		apply(&s)
		found = slices.Concat(doctor.WrongSettings(s), doctor.WrongTargets(ctx, s, found), found)
	}
	found = slices.Concat(php, found)
	slices.SortStableFunc(found, func(a, b settings.Problem) int { return cmp.Compare(a.Severity, b.Severity) })
	if found == nil {
		found = []settings.Problem{}
	}
	return found, nil
}

// applyPHP puts the constants of PHP's gateway over the settings and lists what
// is wrong with them.
func applyPHP(s *settings.Settings, files []string) (found []settings.Problem) {
	if len(files) == 0 {
		return nil
	}
	add := func(severity settings.Severity, err error) {
		var line *phpconfig.LineError
		if errors.As(err, &line) {
			found = append(found, settings.Problem{Severity: severity, Origin: line.Origin, Message: strings.TrimPrefix(line.Error(), line.Origin.String()+": ")})
		} else {
			found = append(found, settings.Problem{Severity: severity, Message: err.Error()})
		}
	}
	warnings, err := phpconfig.Apply(s, files...)
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range several.Unwrap() {
			add(settings.SeverityError, err)
		}
	} else if err != nil {
		add(settings.SeverityError, err)
	}
	for _, warning := range warnings {
		add(settings.SeverityWarning, warning)
	}
	return found
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
