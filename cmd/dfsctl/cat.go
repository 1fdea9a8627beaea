package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cluster"
)

func newCat(a *app) *cobra.Command {
	var expired bool
	var span string
	c := &cobra.Command{
		Use: "cat PATH", Short: "Write a file of the cluster to stdout", Args: arguments(1, 1),
		Long: "Write the contents of the file at PATH to stdout. An expired file is read only\nwith --expired.",
		RunE: func(cmd *cobra.Command, args []string) error {
			options := readOptions(expired)
			if span != "" {
				offset, length, err := parseRange(span)
				if err != nil {
					return err
				}
				options = append(options, cluster.Range(offset, length))
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				return a.cat(cmd.Context(), s, args[0], options...)
			})
		},
	}
	addExpiredFlag(c, &expired)
	c.Flags().StringVar(&span, "range", "", "only the bytes from `START-END`, both included and counted from 0; START- is to the end")
	return c
}

func (a *app) cat(ctx context.Context, s session, path string, options ...cluster.ReadOption) error {
	f, err := s.Open(ctx, path, options...)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(a.stdout, f); err != nil {
		return fmt.Errorf("%q: %w", f.Row.Name, err)
	}
	return nil
}

// parseRange reads START-END or START- as an offset and a length, which is
// negative for the rest.
func parseRange(text string) (offset, length int64, err error) {
	first, last, ok := strings.Cut(text, "-")
	offset, err = strconv.ParseInt(first, 10, 64)
	if !ok || err != nil {
		return 0, 0, usagef("--range %q is neither START-END nor START-", text)
	}
	if last == "" {
		return offset, -1, nil
	}
	end, err := strconv.ParseInt(last, 10, 64)
	if err != nil || end < offset {
		return 0, 0, usagef("--range %q does not end after it starts", text)
	}
	return offset, end - offset + 1, nil
}
