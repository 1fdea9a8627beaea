package main

import (
	"bufio"
	"errors"

	"github.com/spf13/cobra"

	"example.com/ezdfs/internal/quickstart"
)

func newQuickstart(a *app) *cobra.Command {
	options := quickstart.Options{Stdout: flushing{a.stdout}, Getenv: a.getenv}
	c := &cobra.Command{
		Use: "quickstart [DIR]", Short: "Make a working cluster in DIR, to try things out", Args: arguments(0, 1),
		Long: `Make a working cluster in DIR (default ` + quickstart.DefaultDir + `) without any service:
settings, a SQLite database, a directory as the NFS mount, and S3 and GCS services
inside this process. Store sample files, show where each went, read each back
byte for byte, and tell what to try next.

DIR must be new, empty, or of an earlier quickstart, whose files stay as they are.
With --serve the services stay up until Ctrl-C, so that commands in another
terminal can use them; without it they end with this command. They listen on
127.0.0.1 and ask nobody for a password. Their data stays in DIR; to be rid of
everything, remove DIR.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, flag := range []string{"root", "settings"} {
				if cmd.Flags().Changed(flag) {
					return usagef("quickstart makes its own settings in DIR: leave out --%s", flag)
				}
			}
			if len(args) > 0 {
				options.Dir = args[0]
			}
			options.JSON, options.Logger = a.json, a.logger()
			err := quickstart.Run(cmd.Context(), options)
			if errors.Is(err, quickstart.ErrForeignDir) {
				return &usageError{err}
			}
			return err
		},
	}
	c.Flags().BoolVar(&options.Serve, "serve", false, "keep the services up until Ctrl-C")
	return c
}

// flushing writes through at once: what is reported before the services are
// waited for must be seen.
type flushing struct{ w *bufio.Writer }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	return n, errors.Join(err, f.w.Flush())
}
