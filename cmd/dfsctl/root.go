package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// app is what the commands share: the streams and the persistent flags.
type app struct {
	stdin  io.Reader
	stdout *bufio.Writer // flushed at the end of run
	// unbuffered is what stdout writes to.
	unbuffered io.Writer
	stderr     io.Writer
	getenv     func(string) (string, bool)

	settingsDir, siteAccess, root string
	extensions                    []string
	json, noProgress              bool
	logLevel                      slog.Level

	started bool // arguments and flags were fine, a command runs
}

// commands lists the constructors of all commands, in the order of the help.
func commands() []func(*app) *cobra.Command {
	return []func(*app) *cobra.Command{
		newQuickstart, newConfig, newIni, newRoute, newSchema,
		newPut, newGet, newCat, newStat, newLs, newCp, newMv, newRm, newURL,
		newExpire, newPurge, newTrash, newCheck, newChanges, newClusterize, newUnclusterize, newMigrate,
		newImport, newBench,
		newServe, newCDN, newDoctor, newVersion,
	}
}

const rootHelp = `dfsctl stores, finds, copies, expires and purges the files of an eZ Publish
cluster, over the same tables and stores that its PHP frontends use, and checks
that all of it is in order. It reads the site's own settings: run it in the site
root, or name that with --root.

Paths are relative to the site root: var/site/storage/images/a.png.

Results go to stdout; with --json as one JSON document, or as one document a
line where there may be many. Errors, notes and progress go to stderr.

Ctrl-C stops cleanly and says how far it got; a second one kills.

`

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) (string, bool)) int {
	a := &app{stdin: stdin, stdout: bufio.NewWriter(stdout), unbuffered: stdout, stderr: stderr, getenv: getenv}
	err := a.command(args).ExecuteContext(ctx)
	if err != nil && !a.started {
		err = usagef("%s", strings.Join(strings.Fields(err.Error()), " ")) // cobra's suggestions take several lines
	}
	if flushErr := a.stdout.Flush(); flushErr != nil {
		err = errors.Join(err, fmt.Errorf("write the output: %w", flushErr))
	}
	a.report(ctx, err)
	return exitCode(err)
}

// command returns the whole command tree.
func (a *app) command(args []string) *cobra.Command {
	root := &cobra.Command{
		Use: "dfsctl", Short: "Work on the files of an eZ Publish cluster", Long: rootHelp + exitHelp(),
		SilenceErrors: true, SilenceUsage: true, SuggestionsMinimumDistance: 1,
	}
	a.addFlags(root)
	for _, construct := range commands() {
		root.AddCommand(construct(a))
	}
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	a.markStart(root)
	return root
}

func (a *app) addFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.settingsDir, "settings", "", "settings `DIR` of the site (default \"settings\" in the site root)")
	flags.StringVar(&a.siteAccess, "siteaccess", "", "`NAME` of a siteaccess whose settings count too")
	flags.StringArrayVar(&a.extensions, "extension", nil, "`NAME` of an extension whose settings count too; repeatable, the first wins")
	flags.StringVar(&a.root, "root", ".", "site root `DIR`")
	flags.BoolVar(&a.json, "json", false, "print JSON")
	flags.BoolVar(&a.noProgress, "no-progress", false, "show no progress bar")
	flags.TextVar(&a.logLevel, "log-level", slog.LevelWarn, "`LEVEL` from which to log on stderr: debug, info, warn, error")
}

// markStart notes when a command begins to run: what cobra finds wrong before
// is wrong usage.
func (a *app) markStart(c *cobra.Command) {
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			return run(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		a.markStart(sub)
	}
}

// logger logs to stderr.
func (a *app) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: a.logLevel}))
}

// group is a command that is only there for those below it.
func group(use, short string, subcommands ...*cobra.Command) *cobra.Command {
	var names []string
	for _, sub := range subcommands {
		names = append(names, sub.Name())
	}
	c := &cobra.Command{
		Use: use, Short: short,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s has no command %q: there is %s", use, args[0], strings.Join(names, " and "))
			}
			return usagef("%s needs a command: %s", use, strings.Join(names, " or "))
		},
	}
	c.AddCommand(subcommands...)
	return c
}

// arguments is the validator of a command that takes from least to most
// arguments; a most of -1 is no limit.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return fmt.Errorf("%s given; usage: %s", plural(int64(len(args)), "argument"), cmd.UseLine())
		}
		return nil
	}
}
