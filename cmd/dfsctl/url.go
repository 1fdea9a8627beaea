package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cluster"
)

func newURL(a *app) *cobra.Command {
	var sign time.Duration
	c := &cobra.Command{
		Use: "url PATH", Short: "Print the URL of a file", Args: arguments(1, 1),
		Long: `Print the URL of the file at PATH: the object's own on a bucket, the path on the
site where it lies on NFS. With --sign the URL lets whoever holds it read a
private object for that long.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("sign") && sign <= 0 {
				return usagef("--sign %v is not a duration such as 1h", sign)
			}
			return a.withCluster(cmd.Context(), func(s session) error {
				row, err := s.Stat(cmd.Context(), args[0])
				switch {
				case err != nil:
					return err
				case !row.Live():
					return &cluster.ExpiredError{Path: row.Name}
				}
				url, err := s.URL(row.Name)
				if sign > 0 {
					url, err = s.SignURL(cmd.Context(), row.Name, sign)
				}
				if errors.Is(err, errors.ErrUnsupported) {
					return usagef("%q lies on %s, which cannot sign URLs", row.Name, s.backendOf(row.Name))
				}
				if err != nil {
					return err
				}
				return a.printURL(row.Name, url)
			})
		},
	}
	c.Flags().DurationVar(&sign, "sign", 0, "sign the URL for this `DURATION`, such as 1h")
	return c
}

func (a *app) printURL(name, url string) error {
	if a.json {
		return a.printJSON(struct {
			Name string `json:"name"`
			URL  string `json:"url"`
		}{name, url})
	}
	a.printf("%s\n", url)
	return nil
}
