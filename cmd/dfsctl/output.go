package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"example.com/ezdfs/metadata"
)

// printf writes to stdout; run reports what fails.
func (a *app) printf(format string, args ...any) { fmt.Fprintf(a.stdout, format, args...) }

// printJSON writes one JSON document on one line.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// note tells something on stderr that is no error.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.stderr, "dfsctl: "+format+"\n", args...)
}

// printTable writes a small table with aligned columns.
func (a *app) printTable(header table.Row, rows []table.Row) {
	t := table.NewWriter()
	t.SetStyle(table.Style{
		Name:    "plain",
		Box:     table.BoxStyle{PaddingRight: "  "},
		Format:  table.FormatOptions{Header: text.FormatUpper},
		Options: table.OptionsNoBordersAndSeparators,
	})
	t.AppendHeader(header)
	t.AppendRows(rows)
	t.SuppressTrailingSpaces()
	a.printf("%s\n", t.Render())
}

// rowJSON is a row as JSON shows it.
type rowJSON struct {
	Name     string `json:"name"`
	Trunk    string `json:"name_trunk"`
	Hash     string `json:"name_hash"`
	DataType string `json:"datatype"`
	Scope    string `json:"scope"`
	Size     int64  `json:"size"`
	MTime    int64  `json:"mtime"` // as in the row: negative when expired
	Expired  bool   `json:"expired"`
	Table    string `json:"table"`
	Backend  string `json:"backend"`
}

// row completes a row by the backend of its path.
func (s session) row(r metadata.Row) rowJSON {
	if r.Table == "" {
		r.Table = s.Metadata().Layout().Table(r.Name)
	}
	return rowJSON{
		r.Name, r.Trunk, r.Hash(), r.DataType, r.Scope, r.Size, r.MTime, !r.Live(),
		r.Table, s.backendOf(r.Name),
	}
}

func (s session) backendOf(name string) string { return s.Stores().Route(name).Backend.Name() }

// printRow prints a row as JSON, or a sentence about it.
func (a *app) printRow(s session, r metadata.Row, format string, args ...any) error {
	if a.json {
		return a.printJSON(s.row(r))
	}
	a.printf(format+"\n", args...)
	return nil
}

// date is a time as an administrator reads it, in local time.
func date(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// plural is "1 file" or "n files", "1 delivery" or "n deliveries".
func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		what = stem + "ie"
	}
	return fmt.Sprintf("%d %ss", n, what)
}
