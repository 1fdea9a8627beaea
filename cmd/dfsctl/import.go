package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/importer"
	"example.com/ezdfs/metadata"
)

func newImport(a *app) *cobra.Command {
	return group("import", "Bring in files of an older cluster, or make rows for bodies that lie in a store",
		newImportEZDB(a), newImportBodies(a, importBucket), newImportBodies(a, importTree))
}

// importRun is an import as its command shows it.
type importRun struct {
	bulkRun
	counts *importer.Counts
	dryRun bool
}

func newImportRun(a *app, mode progressMode) *importRun {
	progress := new(bulk.Progress)
	r := &importRun{
		bulkRun: bulkRun{a: a, verb: "imported", mode: mode, progress: progress},
		counts:  importer.NewCounts(progress),
	}
	r.bulkRun.tell = r.print
	return r
}

// importSummary is what an import did, as JSON shows it.
type importSummary struct {
	summary
	Reasons map[importer.Reason]int64 `json:"skipped_reasons"`
	Revived int64                     `json:"revived,omitempty"`
	DryRun  bool                      `json:"dry_run,omitempty"`
}

// print tells what was imported, and what was not and why.
func (r *importRun) print(sum summary, _ error) error {
	s := importSummary{sum, r.counts.Skipped(), r.counts.Revived(), r.dryRun}
	if r.a.json {
		return r.a.printJSON(map[string]importSummary{"summary": s})
	}
	verb := "imported"
	if r.dryRun {
		verb = "would import"
	}
	r.a.printf("%s %s, %s; %s, %d failed; %s\n", verb, plural(s.Done, "file"), plural(s.Bytes, "byte"), s.skips(), s.Failed, s.pace())
	r.advise(s)
	return nil
}

// skips tells how many were skipped, and why.
func (s importSummary) skips() string {
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(s.Reasons)) {
		reasons = append(reasons, fmt.Sprintf("%d %s", s.Reasons[reason], reason))
	}
	if len(reasons) == 0 {
		return "0 skipped"
	}
	return fmt.Sprintf("%d skipped (%s)", s.Skipped, strings.Join(reasons, ", "))
}

// advise says what to do about what was skipped.
func (r *importRun) advise(s importSummary) {
	if s.Revived > 0 {
		r.a.note("of these %d had expired", s.Revived)
	}
	for _, kind := range []struct {
		reason importer.Reason
		advice string
	}{
		{importer.Differs, "a live row of another size stays as it is; dfsctl check says more"},
		{importer.Elsewhere, "the rules send the path to another backend, and no reader looks here; dfsctl check says more"},
		{importer.Unclean, "the cluster knows no such name"},
		{importer.Cache, "cache files make themselves anew; --cache imports them"},
	} {
		if n := s.Reasons[kind.reason]; n > 0 {
			r.a.note("%d %s: %s", n, kind.reason, kind.advice)
		}
	}
}

// importPrefix cleans what paths are to begin with; a trailing slash stays.
func importPrefix(args []string) (string, error) {
	prefix := strings.Join(args, "")
	if prefix == "" {
		return "", nil
	}
	clean, err := metadata.CleanName(prefix)
	if err == nil && strings.HasSuffix(prefix, "/") {
		clean += "/"
	}
	return clean, err
}
