package ezdb

import (
	"context"
	"errors"
)

// Explain returns what the server does to select the chunks of a file.
func (s *Source) Explain(ctx context.Context, f File) (extra []string, err error) {
	rows, err := s.db.QueryContext(ctx, "EXPLAIN "+s.chunksQuery(), f.key, f.key)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		line := make([]any, len(columns))
		var text *string
		for i := range line {
			line[i] = new(*string)
		}
		line[len(line)-1] = &text
		if err := rows.Scan(line...); err != nil {
			return nil, err
		}
		if text != nil {
			extra = append(extra, *text)
		}
	}
	return extra, rows.Err()
}
