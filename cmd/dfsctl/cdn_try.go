package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cdn/delivery"
	"example.com/ezdfs/cdn/service"
	"example.com/ezdfs/settings"
)

func newCDNTest(a *app) *cobra.Command {
	timeout := 30 * time.Second
	c := &cobra.Command{
		Use: "test [TARGET...]", Short: "Make a round trip to targets", Args: arguments(0, -1),
		Long: `Try each target, or all of cdn.ini, for good: caches and CDNs are told to forget a
file that there is not, a replica gets a small file that is read and deleted.
Print ok or fail, how long it took, and what was done or went wrong; the exit
code is 1 where something failed.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			for _, name := range args {
				if err := needTarget(s, name); err != nil {
					return err
				}
			}
			if len(args) == 0 {
				args = s.TargetNames()
			}
			if len(args) == 0 {
				return usagef("there are no targets; add groups such as [varnish:front] to cdn.ini")
			}
			return a.testTargets(cmd.Context(), s, args, timeout)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", timeout, "how `LONG` a target may take")
	return c
}

// tested is the verdict on a target.
type tested struct {
	Target  string  `json:"target"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	Text    string  `json:"text,omitempty"`
	Error   string  `json:"error,omitempty"`
}

// testTargets tries targets at the same time and prints the verdicts in order.
func (a *app) testTargets(ctx context.Context, s settings.Settings, names []string, timeout time.Duration) error {
	results := make([]tested, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { results[i] = a.testTarget(ctx, s, name, timeout) })
	}
	all.Wait()
	var failed int64
	for _, r := range results {
		if !r.OK {
			failed++
		}
		if err := a.printTested(r); err != nil {
			return err
		}
	}
	if failed > 0 {
		return errors.New(plural(failed, "target") + " failed")
	}
	return nil
}

func (a *app) testTarget(ctx context.Context, s settings.Settings, name string, timeout time.Duration) tested {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	text, err := a.roundTrip(ctx, s, name)
	r := tested{Target: name, OK: err == nil, Seconds: time.Since(began).Round(time.Millisecond).Seconds(), Text: text}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

func (a *app) roundTrip(ctx context.Context, s settings.Settings, name string) (string, error) {
	t, err := service.NewTarget(ctx, s, name, service.Source{}, a.logger())
	if err != nil {
		return "", err
	}
	text, err := delivery.Test(ctx, t)
	return text, errors.Join(err, t.Close())
}

func (a *app) printTested(r tested) error {
	if a.json {
		return a.printJSON(r)
	}
	verdict, text := "ok  ", r.Text
	if !r.OK {
		verdict, text = "fail", r.Error
	}
	a.printf("%s  %s  %.3f s  %s\n", verdict, r.Target, r.Seconds, text)
	return nil
}
