package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/migrate"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// migrateFlags are the flags of migrate as they stand.
type migrateFlags struct {
	bulkFlags
	from, to     string
	ahead        bool
	rollback     bool
	finish       bool
	contents     bool
	deleteSource bool
	keepFallback bool
	status       bool
}

const migrateHelp = `Copy the files whose path begins with PREFIX to another store. Meanwhile the
cluster serves and changes them: a file that is not copied yet is read where it
lies, a new one is stored where the rule says. For that the rules of all hosts
have to name both stores, in [DispatchableDFS] of file.ini:

  PathBackends[PREFIX]=NEW
  MigrateFrom[PREFIX]=OLD

Whatever runs there, dfsctl serve for one, has to be restarted. Until then it does
not find what others store. Where that matters, give all hosts the lines the other
way round first (PathBackends OLD, MigrateFrom NEW), then turn them round host by
host: so every host finds everything at any moment.

The steps:

  dfsctl migrate PREFIX --from OLD --to NEW            copy, on any number of hosts at once
  dfsctl migrate PREFIX --from OLD --to NEW --finish   verify, and remove the line MigrateFrom
  dfsctl migrate PREFIX --from OLD --to NEW --finish --delete-source
                                                       verify, empty OLD, and remove the line
  dfsctl migrate [PREFIX] --status                     how far it is, from any host

The line is removed from this host's settings; remove it on the other hosts, too,
and restart what reads it. --keep-fallback only verifies, for settings that
something else puts in place. Without --delete-source, dfsctl check --delete removes
what OLD still holds once no host has the line. With it, files that have expired
are purged where OLD or NEW has a trash.

PHP's dispatcher looks at one store alone. Where PHP writes below PREFIX, write
the rules the other way round first (PathBackends OLD, MigrateFrom NEW), copy
with --ahead while everybody goes on, keep PHP from writing there, copy --ahead
again, which takes what has changed since, and only then turn the rules round.

To go back: --rollback copies what is new on NEW back to OLD; then turn the rules
round and migrate from NEW to OLD.

The same command goes on after an interruption, on this host or another. Files
that fail do not stop the others; the next run tries them again. What --finish
finds missing is exit code 4. With --json one document for each file that
failed, and at the end {"migration": {...}}, which has the counts of the whole
pass, and the pace and the slowest files of this run; "unfinished" where it did
not come to an end. After --delete-source {"source": {...}} follows, and after
--finish {"removed": [...]}, the lines that are gone.`

func newMigrate(a *app) *cobra.Command {
	var f migrateFlags
	c := &cobra.Command{
		Use: "migrate PREFIX --from BACKEND --to BACKEND", Short: "Move files to another store while they are served", Args: arguments(0, 1),
		Long: migrateHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.validate(args); err != nil {
				return err
			}
			if f.status {
				return a.withDatabase(cmd.Context(), false, func(store *metadata.Store) error {
					return a.migrationStatus(cmd.Context(), store, strings.Join(args, ""))
				})
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				return f.run(cmd.Context(), a, s, args[0])
			}, cluster.WithoutPatience())
		},
	}
	f.addTo(c)
	return c
}

func (f *migrateFlags) addTo(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.from, "from", "", "`BACKEND` that holds the files, such as nfs")
	flags.StringVar(&f.to, "to", "", "`BACKEND` that is to hold them, such as s3:media")
	flags.BoolVar(&f.ahead, "ahead", false, "copy before the rules are turned round, comparing what is there")
	flags.BoolVar(&f.rollback, "rollback", false, "copy what is new on --to back to --from")
	flags.BoolVar(&f.finish, "finish", false, "verify that every file is on --to, then remove the line MigrateFrom")
	flags.BoolVar(&f.contents, "contents", false, "with --finish: compare the contents byte by byte")
	flags.BoolVar(&f.deleteSource, "delete-source", false, "with --finish: then delete the files on --from")
	flags.BoolVar(&f.keepFallback, "keep-fallback", false, "with --finish: leave the settings as they are")
	flags.BoolVar(&f.status, "status", false, "show how far the migrations are")
	f.add(c, "batches")
}

func (f *migrateFlags) validate(args []string) error {
	modes := 0
	for _, mode := range []bool{f.ahead, f.rollback, f.finish, f.status} {
		if mode {
			modes++
		}
	}
	switch {
	case modes > 1:
		return usagef("give one of --ahead, --rollback, --finish and --status")
	case f.contents && !f.finish:
		return usagef("--contents is for --finish")
	case f.deleteSource && !f.finish:
		return usagef("--delete-source is for --finish: nothing is deleted before it is verified")
	case f.keepFallback && !f.finish:
		return usagef("--keep-fallback is for --finish: nothing else changes the settings")
	case f.status:
		return nil
	case len(args) == 0:
		return usagef("which files? Give what their paths begin with, such as var/site/storage/images")
	case f.from == "" || f.to == "":
		return usagef("give the store that holds the files with --from, and the one that is to hold them with --to")
	case f.from == f.to:
		return usagef("--from and --to are both %s", f.from)
	}
	return f.check()
}

// run does what is asked for.
func (f *migrateFlags) run(ctx context.Context, a *app, s session, prefix string) error {
	w, err := f.begin(a, s, prefix)
	if err != nil {
		return err
	}
	counts, err := w.copyOrVerify(ctx)
	if errors.Is(err, migrate.ErrNotCopied) {
		return &foundError{fmt.Sprintf("%v to %s; migrate without --finish does that, --status says how far it is", err, w.to)}
	}
	if err != nil {
		return err
	}
	if counts.Failed > 0 && f.finish {
		return &foundError{fmt.Sprintf("%s not as they should be on %s; migrate without --finish copies what is missing", plural(counts.Failed, "file"), w.to)}
	}
	if counts.Failed > 0 {
		return fmt.Errorf("%s failed in this pass; the same command tries again", plural(counts.Failed, "file"))
	}
	if f.deleteSource {
		if w, err = f.begin(a, s, prefix); err == nil { // what it reports is its own
			err = w.deleteSource(ctx)
		}
		if err != nil {
			return err
		}
	}
	if counts.Total() == 0 {
		a.note("no live file's path begins with %s", prefix)
	}
	if f.finish && !f.keepFallback {
		return f.dropFallback(a, prefix)
	}
	a.adviseNext(f, prefix)
	return nil
}

// begin prepares a step of the migration.
func (f *migrateFlags) begin(a *app, s session, prefix string) (*migrationRun, error) {
	w := &migrationRun{bulkRun: bulkRun{a: a, verb: "copied", mode: f.progress, progress: new(bulk.Progress)}, s: s}
	w.kind, w.prefix, w.from, w.to = metadata.MigrationCopy, prefix, f.from, f.to
	if f.rollback {
		w.from, w.to = w.to, w.from
	}
	if f.finish {
		w.kind, w.verb, w.looksOnly = metadata.MigrationVerify, "verified", true
	}
	var err error
	w.m, err = migrate.New(s.Cluster, prefix, w.from, w.to, migrate.Options{
		Ahead: f.ahead || f.rollback, VerifyContents: f.contents, Limits: f.limits, Progress: w.progress, Logger: a.logger(),
	})
	if wrong := (*migrate.RouteError)(nil); errors.As(err, &wrong) {
		return nil, f.routeAdvice(s.settings, wrong)
	}
	return w, err
}

// adviseNext says on stderr what the administrator does now.
func (a *app) adviseNext(f *migrateFlags, prefix string) {
	turned := fmt.Sprintf("PathBackends[%s]=%s and MigrateFrom[%s]=%s", prefix, f.to, prefix, f.from)
	switch {
	case f.ahead:
		a.note("all is on %s as well. Keep PHP from writing below %s, run this once more, then turn the rules round on all hosts: %s",
			f.to, prefix, turned)
	case f.rollback:
		a.note("all is on %s as well. Now turn the rules round on all hosts: PathBackends[%s]=%s and MigrateFrom[%s]=%s; then run dfsctl migrate %s --from %s --to %s",
			f.from, prefix, f.from, prefix, f.to, prefix, f.to, f.from)
	case f.deleteSource:
		a.note("the same without --keep-fallback removes the line MigrateFrom")
	case f.finish:
		a.note("the same without --keep-fallback removes the line MigrateFrom; before that, --delete-source deletes what %s holds", f.from)
	default:
		a.note("now verify: dfsctl migrate %s --from %s --to %s --finish", prefix, f.from, f.to)
	}
}

// routeAdvice says which lines the settings need.
func (f *migrateFlags) routeAdvice(s settings.Settings, wrong *migrate.RouteError) error {
	for _, name := range []string{f.from, f.to} {
		if err := knownBackend(s, name); err != nil {
			return err
		}
	}
	first, second := wrong.To, wrong.From
	if wrong.Ahead {
		first, second = second, first
	}
	for _, m := range s.Migrations() {
		if len(m.Prefix) > len(wrong.Prefix) && strings.HasPrefix(m.Prefix, wrong.Prefix) && m.Backend == second {
			return usagef("%s is more than what the rules let migrate: %s: MigrateFrom[%s]=%s; name that prefix", wrong.Prefix, m.Origin, m.Prefix, m.Backend)
		}
	}
	backend, rule := s.RouteOf(wrong.Prefix)
	file, by := settingsFile(s), "no rule takes it"
	if rule != nil {
		by = fmt.Sprintf("%s: PathBackends[%s]", rule.Origin, rule.Prefix)
		if rule.Origin.File != "" {
			file = rule.Origin.File
		}
	}
	var missing []string
	if backend != first {
		missing = append(missing, fmt.Sprintf("PathBackends[%s]=%s", wrong.Prefix, first))
	}
	if wrong.Second != second || backend != first {
		missing = append(missing, fmt.Sprintf("MigrateFrom[%s]=%s", wrong.Prefix, second))
	}
	hint := ""
	if !wrong.Ahead && backend == f.from && wrong.Second == f.to {
		hint = " (or copy before the rules are turned round: --ahead)"
	}
	if f.finish && backend == f.to && wrong.Second == "" {
		hint = " (--finish removes that line when all is verified; whether it has is what --status tells)"
	}
	return usagef("%s goes to %s (%s)%s; in [DispatchableDFS] of %s on all hosts write %s%s",
		wrong.Prefix, backend, by, migratesFrom(wrong), file, strings.Join(missing, " and "), hint)
}

func migratesFrom(wrong *migrate.RouteError) string {
	if wrong.Second == "" {
		return ", and MigrateFrom names no other store for it"
	}
	return ", and MigrateFrom names " + wrong.Second
}

// settingsFile is where rules of this site stand, or belong.
func settingsFile(s settings.Settings) string {
	for _, entry := range s.Entries() {
		if entry.Group == "DispatchableDFS" && entry.Origin.File != "" {
			return entry.Origin.File
		}
	}
	return filepath.Join("settings", "override", "file.ini.append.php")
}

// knownBackend says what a name that means no backend could mean.
func knownBackend(s settings.Settings, name string) error {
	var known []string
	for b := range s.NFS {
		known = append(known, b)
	}
	for b := range s.S3 {
		known = append(known, b)
	}
	for b := range s.GCS {
		known = append(known, b)
	}
	if slices.Contains(known, name) {
		return nil
	}
	slices.Sort(known)
	return usagef("there is no backend %q; the settings have %s", name, strings.Join(known, ", "))
}
