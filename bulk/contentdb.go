package bulk

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"example.com/ezdfs/cluster"
)

// contentTable is a table of the content database that names files, as the
// legacy's clusterize walks them (contract section 9).
type contentTable struct {
	query string
	scope string
	// file returns the path of a row's file relative to the site root, given
	// its first column and, where there is one, its MIME type.
	file func(storage, name, mimeType string) string
}

// nameColumn is a name as UTF-8 bytes, whatever the column's charset. Case
// twins are two files, so names are compared as bytes and not by the column's
// collation.
const nameColumn = "CAST(CONVERT(%s USING utf8mb4) AS BINARY)"

// Each query pages by the names themselves: the tables have no key in common,
// and an offset would skip rows when others are removed meanwhile.
var contentTables = []contentTable{
	{
		query: namesQuery("filepath", "''", "ezimagefile"), scope: "image",
		file: func(_, name, _ string) string { return name },
	},
	{query: namesQuery("filename", "MIN(mime_type)", "ezbinaryfile"), scope: "binaryfile", file: originalFile},
	{query: namesQuery("filename", "MIN(mime_type)", "ezmedia"), scope: "mediafile", file: originalFile},
}

func namesQuery(name, mimeType, table string) string {
	column := fmt.Sprintf(nameColumn, name)
	return fmt.Sprintf("SELECT %s AS file_name, %s FROM %s WHERE %s > CAST(? AS BINARY) GROUP BY file_name ORDER BY file_name LIMIT 10000",
		column, mimeType, table, column)
}

// originalFile is where the kernel keeps an uploaded file: by the first half
// of its MIME type.
func originalFile(storage, name, mimeType string) string {
	group, _, _ := strings.Cut(mimeType, "/")
	return storage + "/original/" + group + "/" + name
}

// ContentDBOptions say where the content database's files lie.
type ContentDBOptions struct {
	Root string // site root
	// Storage is the storage directory relative to the root, such as
	// var/site/storage.
	Storage string
	// Skip are directories whose files are refused: the mounts of the cluster
	// itself.
	Skip []string
	// SkipScopes are scopes whose table is not read.
	SkipScopes []string
}

// ContentDB yields the files that a site's content database names, with the
// scopes and types it gives them. The database is only read.
func ContentDB(ctx context.Context, db *sql.DB, options ContentDBOptions) iter.Seq2[cluster.Item, error] {
	return func(yield func(cluster.Item, error) bool) {
		skip := realPaths(options.Skip)
		for _, table := range contentTables {
			if slices.Contains(options.SkipScopes, table.scope) {
				continue
			}
			if !table.walk(ctx, db, options, skip, yield) {
				return
			}
		}
	}
}

// walk yields the files of one table and reports whether to go on.
func (t contentTable) walk(ctx context.Context, db *sql.DB, options ContentDBOptions, skip mounts, yield func(cluster.Item, error) bool) bool {
	after := ""
	for {
		page, err := t.page(ctx, db, after)
		if err != nil {
			yield(cluster.Item{}, fmt.Errorf("content database: %w", err))
			return false
		}
		if len(page) == 0 {
			return true
		}
		for _, row := range page {
			path := t.file(options.Storage, row.name, row.mimeType)
			item := cluster.Item{
				Path: path, File: filepath.Join(options.Root, filepath.FromSlash(path)),
				Options: cluster.StoreOptions{Scope: t.scope, DataType: row.mimeType},
			}
			if real, err := realPath(item.File); err == nil {
				if err := skip.check(item.Path, real); err != nil {
					yield(cluster.Item{}, err)
					return false
				}
			}
			if !yield(item, nil) {
				return false
			}
		}
		after = page[len(page)-1].name
	}
}

type contentRow struct{ name, mimeType string }

func (t contentTable) page(ctx context.Context, db *sql.DB, after string) ([]contentRow, error) {
	rows, err := db.QueryContext(ctx, t.query, after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []contentRow
	for rows.Next() {
		var row contentRow
		if err := rows.Scan(&row.name, &row.mimeType); err != nil {
			return nil, err
		}
		page = append(page, row)
	}
	return page, rows.Err()
}
