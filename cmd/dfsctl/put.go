package main

import (
	"context"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

func newPut(a *app) *cobra.Command {
	var options cluster.StoreOptions
	var mtime string
	c := &cobra.Command{
		Use: "put FILE PATH", Short: "Store a local file", Args: arguments(2, 2),
		Long: `Store a local FILE, or stdin for "-", under PATH, replacing what is there.
A FILE that does not exist is a failure, exit code 1.`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if options.ModTime, err = parseTime(mtime); err != nil {
				return err
			}
			if _, err := metadata.CleanName(args[1]); err != nil {
				return err
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				row, err := a.put(cmd.Context(), s, args[0], args[1], options)
				if err != nil {
					return err
				}
				return a.printRow(s, row, "stored %s: %s, %s, scope %s, on %s",
					row.Name, plural(row.Size, "byte"), row.DataType, row.Scope, s.backendOf(row.Name))
			})
		},
	}
	c.Flags().StringVar(&options.Scope, "scope", "", "`SCOPE` of the file (default "+cluster.UnknownScope+")")
	c.Flags().StringVar(&options.DataType, "datatype", "", "MIME `TYPE` of the file (default told from its contents)")
	c.Flags().StringVar(&mtime, "mtime", "", "modification `TIME`, Unix seconds or RFC 3339 (default that of FILE)")
	return c
}

func (a *app) put(ctx context.Context, s session, file, path string, options cluster.StoreOptions) (metadata.Row, error) {
	if file == "-" {
		return s.Store(ctx, path, interruptible(ctx, a.stdin), options)
	}
	return s.StoreFile(ctx, path, file, options)
}

// interruptible is a reader whose reads end with ctx, even while nothing is
// typed.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	pr, pw := io.Pipe()
	context.AfterFunc(ctx, func() { pw.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(pw, r)
		pw.CloseWithError(err)
	}()
	return pr
}

// parseTime reads Unix seconds or RFC 3339; "" is the zero time.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usagef("--mtime %q is neither Unix seconds nor RFC 3339, such as 2026-01-31T12:00:00Z", text)
	}
	return t, nil
}
