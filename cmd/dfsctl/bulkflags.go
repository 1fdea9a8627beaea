package main

import (
	"math"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/settings"
)

// bulkFlags are the flags that all bulk operations have.
type bulkFlags struct {
	limits   bulk.Limits
	progress progressMode
	patience time.Duration // see addPatience
}

// add adds the flags to a command that moves bodies and whose workers work on
// what.
func (f *bulkFlags) add(c *cobra.Command, what string) {
	c.Flags().Var((*sizeFlag)(&f.limits.Bandwidth), "bandwidth", "at most `BYTES` a second, with K, M or G as units (default no limit)")
	f.addUnpaced(c, what)
}

// addUnpaced adds the flags to a command that moves no bodies.
func (f *bulkFlags) addUnpaced(c *cobra.Command, what string) {
	flags := c.Flags()
	flags.IntVar(&f.limits.Workers, "workers", 0, "`NUMBER` of "+what+" at a time (default as many as make it faster)")
	flags.Float64Var(&f.limits.Rate, "rate", 0, "at most `NUMBER` files a second (default no limit)")
	f.progress = progressAuto
	flags.Var(&f.progress, "progress", "how to show progress on stderr, `KIND` is auto, bar, json or none; auto is a bar on a terminal, and with --json a JSON document every five seconds elsewhere")
}

// addPatience adds the flag to a command that leaves a store that does not answer
// and goes on.
func (f *bulkFlags) addPatience(c *cobra.Command) {
	c.Flags().DurationVar(&f.patience, "patience", time.Minute, "wait `TIME` for a store or database that does not answer, then leave its files")
}

// waiting is the patience as package bulk has it.
func (f *bulkFlags) waiting(a *app) bulk.Waiting {
	w := bulk.Waiting{Patience: f.patience, Logger: a.logger()}
	if w.Patience == 0 {
		w.Patience = -1
	}
	return w
}

// check refuses limits that cannot be.
func (f *bulkFlags) check() error {
	switch {
	case f.limits.Workers < 0:
		return usagef("--workers %d is less than 1", f.limits.Workers)
	case f.patience < 0:
		return usagef("--patience %v is less than nothing", f.patience)
	case !(f.limits.Rate >= 0) || math.IsInf(f.limits.Rate, 0):
		return usagef("--rate %v is not a number of files", f.limits.Rate)
	}
	return nil
}

// sizeFlag is a number of bytes with a unit.
type sizeFlag int64

func (f *sizeFlag) Type() string { return "size" }

func (f *sizeFlag) String() string { return "" } // the help would show a 0

func (f *sizeFlag) Set(word string) error {
	n, err := settings.ParseSize(word)
	if err == nil {
		*f = sizeFlag(n)
	}
	return err
}
