package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
)

func newURL(a *app) *cobra.Command {
	var sign time.Duration
	c := &cobra.Command{
		Use: "url PATH", Short: "Print the URL of a file", Args: arguments(1, 1),
		Long: `Print the URL of the file at PATH: the object's own on a bucket, the path on the
site where it lies on NFS. With --sign the URL lets whoever holds it read the
file for that long: an object in a private bucket, or, by way of the gateway,
a file on NFS or under file.ini [Gateway] PrivatePrefixes, which takes a key in
[Gateway] URLSecret.`,
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
					url, err = s.signURL(cmd.Context(), row.Name, sign)
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

// signURL signs the URL of a file at its store, or at the gateway where that
// alone may serve it or the store signs nothing.
func (s session) signURL(ctx context.Context, name string, lifetime time.Duration) (string, error) {
	options, err := gateway.OptionsFrom(s.settings)
	if err != nil {
		return "", &usageError{err}
	}
	if !options.Private(name) {
		url, err := s.SignURL(ctx, name, lifetime)
		if !errors.Is(err, errors.ErrUnsupported) {
			return url, err
		}
	}
	if len(options.URLKeys) == 0 {
		return "", usagef("%q lies on %s, which cannot sign URLs: for the gateway to do so set [Gateway] URLSecret in file.ini",
			name, s.backendOf(name))
	}
	return gateway.SignPath(options.URLKeys[0], name, time.Now().Add(lifetime)), nil
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
