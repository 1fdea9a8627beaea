package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/load"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// benchFlags are the flags of bench as they stand.
type benchFlags struct {
	mix, sizes string
	prefix     string
	keep       bool
	config     load.Config
}

func newBench(a *app) *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use: "bench", Short: "Put the cluster under load and measure what it takes", Args: arguments(0, 0),
		Long: `Put the cluster under load: store files of its own, then read, store and expire
them for a while, many at a time, and tell how many operations it takes a second,
how long they take, and what fails. Everything that is read is compared with what
was stored.

  dfsctl bench                                       as fast as it goes
  dfsctl bench --rate 500 --duration 5m              500 operations a second
  dfsctl bench --mix read=50,write=50 --sizes 20KB   stores as often as reads

With --rate, operations begin at fixed times whatever became of those before, as
visitors do, and latency counts from those times. Without, a worker begins the
next operation when the last one has ended. Rows are read from the database each
time: no cache helps.

The files have the scope dfsctl-bench and go when the time is up, also after
Ctrl-C. Those of one that was killed go with dfsctl expire --prefix, given the
beginning of their paths, VAR/storage/dfsctl-bench-, and then dfsctl purge
--scopes dfsctl-bench --expiry 0. Below PREFIX there must be nothing else.
Listeners and CDNs are told of them as of all others: choose a PREFIX that no rule
for CDNs names. The rules also say which backend is measured.

Ends with exit code 1 if an operation failed and 4 if the cluster could not keep
up with --rate. With --json one document.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				return f.run(cmd.Context(), a, s)
			})
		},
	}
	f.add(c)
	return c
}

func (f *benchFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.mix, "mix", "read=90,write=9,expire=1", "`WEIGHTS` of the operations")
	flags.StringVar(&f.sizes, "sizes", "10KB,100KB:20%,1MB:1%", "`SIZES` of files, and how many have each; those without a share divide the rest")
	flags.IntVar(&f.config.Files, "files", 1000, "`NUMBER` of files")
	flags.IntVar(&f.config.Workers, "workers", 16, "`NUMBER` of operations at a time")
	flags.Float64Var(&f.config.Rate, "rate", 0, "`NUMBER` of operations to begin a second (default as many as the workers can do)")
	flags.DurationVar(&f.config.Duration, "duration", 30*time.Second, "measure for `TIME`")
	flags.DurationVar(&f.config.WarmUp, "warm-up", 3*time.Second, "go on for `TIME` before that")
	flags.StringVar(&f.prefix, "prefix", "", "`DIR` of the cluster for the files (default a new one in its storage directory)")
	flags.BoolVar(&f.keep, "keep", false, "leave the files there")
}

func (f *benchFlags) check() error {
	var err error
	if f.config.Mix, err = load.ParseMix(f.mix); err != nil {
		return usagef("--mix: %w", err)
	}
	if f.config.Sizes, err = load.ParseSizes(f.sizes); err != nil {
		return usagef("--sizes: %w", err)
	}
	if f.prefix != "" {
		clean, err := metadata.CleanName(f.prefix)
		if err != nil {
			return usagef("--prefix: %w", err)
		}
		f.prefix = clean + "/"
	}
	return nil
}

// ownPrefix is a directory in the storage directory that nobody has used.
func ownPrefix(s settings.Settings, now time.Time) string {
	var random [4]byte
	rand.Read(random[:])
	name := "dfsctl-bench-" + now.UTC().Format("20060102-150405-") + hex.EncodeToString(random[:])
	return path.Join(s.Files.VarDir, s.Files.StorageDir, name) + "/"
}

// benchJSON is what bench prints as JSON.
type benchJSON struct {
	Prefix  string  `json:"prefix"`
	Backend string  `json:"backend"`
	Table   string  `json:"table"`
	Files   int     `json:"files"`
	Workers int     `json:"workers"`
	Mix     string  `json:"mix"`
	Sizes   string  `json:"sizes"`
	Removed int64   `json:"removed"` // files, in the end
	Verdict string  `json:"verdict"`
	Fill    summary `json:"fill"`
	load.Report
}

func (f *benchFlags) run(ctx context.Context, a *app, s session) error {
	if f.config.Prefix = f.prefix; f.prefix == "" {
		f.config.Prefix = ownPrefix(s.settings, time.Now())
	}
	bench, err := load.New(s.Cluster, f.config)
	if err != nil {
		return usagef("%w", err)
	}
	if err := load.Claim(ctx, s.Cluster, f.config.Prefix); err != nil {
		return err
	}
	result := benchJSON{
		Prefix: f.config.Prefix, Backend: s.backendOf(f.config.Prefix), Table: s.Metadata().Layout().Table(f.config.Prefix),
		Files: f.config.Files, Workers: f.config.Workers, Mix: f.config.Mix.String(), Sizes: f.sizes,
	}
	measured := false
	result.Fill, err = f.fill(ctx, a, bench)
	if err == nil {
		measured = true
		result.Report, err = f.measure(ctx, a, bench)
	}
	if !f.keep {
		var cleaning error
		if result.Removed, cleaning = f.clean(ctx, s); cleaning != nil {
			a.note("files are left below %s: %v; remove them with dfsctl expire --prefix %s and dfsctl purge --scopes %s --expiry 0 %s",
				f.config.Prefix, cleaning, f.config.Prefix, load.Scope, f.config.Prefix)
			err = errors.Join(err, cleaning)
		}
	}
	if measured {
		if err := f.print(a, result); err != nil {
			return err
		}
	}
	return f.verdict(ctx, result, measured, err)
}

// fill stores the files, with a progress bar where somebody can see one.
func (f *benchFlags) fill(ctx context.Context, a *app, bench *load.Bench) (summary, error) {
	r := &bulkRun{a: a, verb: "stored", mode: progressAuto, progress: new(bulk.Progress)}
	start := time.Now()
	stop := r.show(ctx)
	defer stop()
	err := bench.Fill(ctx, r.progress)
	return r.summarize(time.Since(start)), err
}

func (f *benchFlags) measure(ctx context.Context, a *app, bench *load.Bench) (load.Report, error) {
	r := &bulkRun{a: a, verb: "moved", mode: progressAuto, progress: new(bulk.Progress)}
	stop := r.show(ctx)
	defer stop()
	return bench.Run(ctx, r.progress)
}

// cleanTimeout bounds the cleaning up after Ctrl-C; a second one ends it too.
const cleanTimeout = 10 * time.Minute

func (f *benchFlags) clean(ctx context.Context, s session) (int64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	return load.Clean(ctx, s.Cluster, f.config.Prefix)
}

// verdict is the error of a bench.
func (f *benchFlags) verdict(ctx context.Context, r benchJSON, measured bool, err error) error {
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled):
		return &stoppedError{fmt.Sprintf("%s removed", plural(r.Removed, "file"))}
	case err != nil || !measured:
		return err
	case r.Failed() > 0:
		return fmt.Errorf("%s failed", plural(r.Failed(), "operation"))
	case !r.KeptUp():
		return &foundError{fmt.Sprintf("the cluster did not keep up: %s did not begin in time", plural(r.Missed, "operation"))}
	}
	return nil
}

func (f *benchFlags) print(a *app, r benchJSON) error {
	r.Verdict = r.Report.Verdict()
	if a.json {
		return a.printJSON(r)
	}
	pace := "as fast as it goes"
	if r.Rate > 0 {
		pace = fmt.Sprintf("%v operations/s", r.Rate)
	}
	a.printf("%s on %s, table %s: %s of %s on average, %s, %s, %s for %s\n\n", r.Prefix, r.Backend, r.Table, plural(int64(r.Files), "file"),
		sizeText(f.config.Sizes.Mean()), plural(int64(r.Workers), "worker"), r.Mix, pace, load.Short(r.Seconds))
	var rows []table.Row
	for _, op := range r.Operations {
		l := op.Latency
		row := table.Row{op.Name, op.Count, fmt.Sprintf("%.1f", op.PerSecond), fmt.Sprintf("%.2f", op.BytesPerSecond/1e6)}
		for _, seconds := range []float64{l.P50, l.P90, l.P99, l.P999, l.Max} {
			row = append(row, load.Short(seconds))
		}
		rows = append(rows, append(row, op.Errors))
	}
	a.printTable(table.Row{"operation", "count", "per second", "MB/s", "p50", "p90", "p99", "p99.9", "max", "errors"}, rows)
	for _, fault := range r.Errors {
		a.printf("\n%s %s %s, the first: %s", plural(fault.Count, "error"), fault.Operation, fault.Kind, fault.First)
	}
	a.printf("\n%s\n", r.Verdict)
	return nil
}

func sizeText(bytes float64) string {
	if bytes < 1e6 {
		return fmt.Sprintf("%.1f KB", bytes/1e3)
	}
	return fmt.Sprintf("%.1f MB", bytes/1e6)
}
