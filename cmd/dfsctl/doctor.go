package main

import (
	"iter"

	"github.com/spf13/cobra"

	"example.com/ezdfs/internal/doctor"
	"example.com/ezdfs/settings"
)

func newDoctor(a *app) *cobra.Command {
	var write bool
	c := &cobra.Command{
		Use: "doctor", Short: "Look at the settings and every service", Args: arguments(0, 0),
		Long: `Check the settings, reach the database and every backend, look at the tables and
the privileges, and print what was found: ok, warn or fail, with what to do.
The targets of cdn.ini are asked to forget something that there is not. Nothing is
written unless --write is given. A service that hangs is given ten
seconds. The exit code is 4 when something fails.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			found, err := a.checkSettings(ctx, nil)
			if err != nil {
				return err
			}
			options, err := a.options()
			if err != nil {
				return err
			}
			s, _ := settings.Load(options) // found has what is wrong with them
			failed, err := a.printFindings(doctor.Examine(ctx, doctor.Options{
				Settings: s, Problems: found, Write: write, Logger: a.logger(),
			}))
			switch {
			case err != nil:
				return err
			case ctx.Err() != nil:
				return ctx.Err()
			case failed > 0:
				return &foundError{plural(failed, "check") + " failed"}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&write, "write", false, "also write a small body to each backend and drop it, unpublished; and to replicas, where it is deleted")
	return c
}

// printFindings prints each finding as it comes, or all as one document, and
// counts the failures.
func (a *app) printFindings(findings iter.Seq[doctor.Finding]) (failed int64, err error) {
	all := []doctor.Finding{}
	for f := range findings {
		if f.Status == doctor.Fail {
			failed++
		}
		all = append(all, f)
		if !a.json {
			a.printf("%s\n", f)
			if err := a.stdout.Flush(); err != nil {
				return failed, err
			}
		}
	}
	if a.json {
		return failed, a.printJSON(all)
	}
	return failed, nil
}
