package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

func newGet(a *app) *cobra.Command {
	var expired bool
	c := &cobra.Command{
		Use: "get PATH [FILE]", Short: "Copy a file of the cluster to a local one", Args: arguments(1, 2),
		Long: `Copy the file at PATH to the local FILE, by default one of the same base name in
the working directory; FILE may be a directory, and "-" is stdout. The local file
appears complete or not at all. An expired file is read only with --expired.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := metadata.CleanName(args[0])
			if err != nil {
				return err
			}
			local, err := localTarget(name, args[1:])
			if err != nil {
				return err
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				if local == "-" {
					return a.cat(cmd.Context(), s, name, readOptions(expired)...)
				}
				row, err := fetch(cmd.Context(), s, name, local, readOptions(expired))
				if err != nil {
					return err
				}
				return a.printRow(s, row, "%s: %s from %s", local, plural(row.Size, "byte"), s.backendOf(row.Name))
			})
		},
	}
	addExpiredFlag(c, &expired)
	return c
}

func addExpiredFlag(c *cobra.Command, expired *bool) {
	c.Flags().BoolVar(expired, "expired", false, "read the file even if it is expired")
}

func readOptions(expired bool) []cluster.ReadOption {
	if expired {
		return []cluster.ReadOption{cluster.WithExpired()}
	}
	return nil
}

// localTarget is where a file of the cluster goes.
func localTarget(name string, args []string) (string, error) {
	if len(args) == 0 {
		return path.Base(name), nil
	}
	local := args[0]
	if local == "" {
		return "", usagef("FILE is empty")
	}
	if info, err := os.Stat(local); err == nil && info.IsDir() {
		local = filepath.Join(local, path.Base(name))
	}
	return local, nil
}

// fetch copies to a regular file by replacing it, and to anything else, such as
// a pipe or a device, by writing into it.
func fetch(ctx context.Context, s session, name, local string, options []cluster.ReadOption) (metadata.Row, error) {
	info, err := os.Stat(local)
	if err != nil || info.Mode().IsRegular() {
		if real, err := filepath.EvalSymlinks(local); err == nil {
			local = real // the link stays, what it points to is replaced
		}
		return s.FetchTo(ctx, name, local, options...)
	}
	f, err := s.Open(ctx, name, options...)
	if err != nil {
		return metadata.Row{}, err
	}
	defer f.Close()
	w, err := os.OpenFile(local, os.O_WRONLY, 0)
	if err != nil {
		return f.Row, err
	}
	_, err = io.Copy(w, f)
	return f.Row, errors.Join(err, w.Close())
}
