// Package check holds the rows of a cluster against its bodies and finds what
// a crash, a bug or a hand left behind: bodies that no row names, rows without
// a body, sizes and hashes that do not fit, and the rest of [Kinds]. It mends
// what it is allowed to, one path at a time under the lock of its row, by the
// operations of package cluster; how they do that is not its business.
//
//	stores, closeStores := check.Stores(ctx, c, s, logger)
//	defer closeStores()
//	summary, err := check.Run(ctx, c, check.Options{Stores: stores, Grace: time.Hour, Found: print})
//
// Every store is listed once, in any order, into temporary files split by the
// MD5 of the path, which is what the rows are read in the order of. Joining the
// two takes as much memory for a thousand files as for a hundred million. What
// the join suspects is looked at again, at the row, under its lock, and at the
// stores, before it is told: writers go on all the while.
package check

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// Options say what to check and what to do about it. Stores is all that must be
// set.
type Options struct {
	// Stores are the backends to list; see [Stores].
	Stores []Store
	// Prefix is what the paths begin with; a string, not a directory.
	Prefix string
	// Storage looks for what is wrong with bodies, Database for what is wrong
	// with rows; neither means both.
	Storage, Database bool
	// Contents reads every live body to its end.
	Contents bool
	// Grace spares bodies without a row, and staged ones, that are no older.
	Grace time.Duration
	// Repair and Delete allow to mend; see [Fix].
	Repair, Delete bool
	// AcceptLoss believes a store that has none of the bodies of its rows, by
	// name and size. Without it these rows are left alone, nothing on it is
	// deleted and no row expired, since it may be the wrong share or bucket.
	AcceptLoss bool
	// From (inclusive) and To (exclusive) bound the name_hash, to split a check
	// or to resume one. Each may be the beginning of a hash.
	From, To string
	// Limits say how hard to work: Workers is the number of directories or
	// listings, and of paths looked at again, at a time; Rate that of bodies
	// listed a second and then of rows; Bandwidth is for Contents.
	Limits bulk.Limits
	// TempDir holds the temporary files, some hundred bytes for each body; by
	// default that of the system. They have no names.
	TempDir string
	// GenerationTimeout is CacheGenerationTimeout, 60 s by default.
	GenerationTimeout time.Duration
	// Now replaces time.Now.
	Now func() time.Time
	// Progress expects a file for every body listed and counts one for every
	// row that was held against them. Its slowest are those of what was looked
	// at again, or read.
	Progress *bulk.Progress
	// Found is told of every finding, one at a time. Its error ends the check.
	Found func(Finding) error

	spanSize int // bodies in memory at a time for each joiner; tests take few
}

// Finding is something that is not as it should be.
type Finding struct {
	Kind    Kind   `json:"kind"`
	Name    string `json:"name"`
	Table   string `json:"table,omitempty"`   // of the row that is meant
	Backend string `json:"backend,omitempty"` // of the body that is meant
	Detail  string `json:"detail"`
	// Fix is the permission that mends it.
	Fix Fix `json:"fix"`
	// Action is what was done: "repaired", "deleted", "trashed" of a body that
	// went into the trash of its store instead, or "" for nothing.
	Action string `json:"action"`
	// Error is why what was allowed could not be done.
	Error string `json:"error,omitempty"`
}

// Mended reports whether it is no more.
func (f Finding) Mended() bool { return f.Action != "" }

// Summary is what a check saw.
type Summary struct {
	Rows   int64 `json:"rows"`
	Bodies int64 `json:"bodies"`
	Bytes  int64 `json:"bytes"`  // of these bodies
	Read   int64 `json:"read"`   // of these, for Contents
	Found  int64 `json:"found"`  // findings
	Mended int64 `json:"mended"` // of these
	// Young are bodies without a row, and staged ones, within the grace.
	Young int64 `json:"young"`
	// Unchecked counts what could not be looked at.
	Unchecked int64 `json:"unchecked"`
	// Skipped are live rows, and bodies without a row, that were left out since
	// a store could not tell; which one is one of the Failures.
	Skipped int64          `json:"skipped"`
	Kinds   map[Kind]int64 `json:"kinds"`
	// Failures says why, for the first hundred.
	Failures []Failure `json:"failures,omitempty"`
	// Notes say what was left out on purpose.
	Notes []string `json:"notes,omitempty"`
	// Next is the name_hash up to which an interrupted check got.
	Next string `json:"next,omitempty"`
}

// Failure is something that could not be checked.
type Failure struct {
	What  string `json:"what"` // a path or a backend
	Error string `json:"error"`
}

// Clean reports whether everything could be checked and nothing is left to
// mend.
func (s Summary) Clean() bool { return s.Found == s.Mended && s.Unchecked == 0 }

// Run checks a cluster. What it found and what it could not look at is in the
// summary; an error means that the check did not come to its end.
func Run(ctx context.Context, c *cluster.Cluster, o Options) (Summary, error) {
	if err := o.complete(); err != nil {
		return Summary{}, err
	}
	r := newRun(c, o)
	defer r.close()
	if err := r.list(ctx); err != nil {
		return r.end(), err
	}
	err := r.join(ctx)
	return r.end(), err
}

// Validate says what is wrong with the options, without touching anything.
func (o Options) Validate() error {
	if _, err := o.span(); err != nil {
		return err
	}
	if info, err := os.Stat(o.TempDir); o.TempDir != "" && (err != nil || !info.IsDir()) {
		return fmt.Errorf("%s is no directory for temporary files", o.TempDir)
	}
	_, err := o.prefix()
	return err
}

// prefix is the prefix as names have it, with the slash that ends a directory.
func (o Options) prefix() (string, error) {
	if o.Prefix == "" {
		return "", nil
	}
	clean, err := metadata.CleanName(o.Prefix)
	if err == nil && strings.HasSuffix(o.Prefix, "/") {
		clean += "/"
	}
	return clean, err
}

func (o *Options) complete() error {
	if err := o.Validate(); err != nil {
		return err
	}
	o.Prefix, _ = o.prefix()
	if !o.Storage && !o.Database {
		o.Storage, o.Database = true, true
	}
	if o.GenerationTimeout <= 0 {
		o.GenerationTimeout = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = new(bulk.Progress)
	}
	if o.Found == nil {
		o.Found = func(Finding) error { return nil }
	}
	if o.spanSize <= 0 {
		o.spanSize = spanSize
	}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	return nil
}

// span is the range of hashes to check.
func (o *Options) span() (span, error) {
	from, err := hashPrefix(o.From)
	if err != nil {
		return span{}, err
	}
	to, err := hashPrefix(o.To)
	if o.To == "" {
		to = 1 << 32
	}
	if err == nil && from >= to {
		err = fmt.Errorf("from name_hash %q to %q there is nothing", o.From, o.To)
	}
	return span{from, to}, err
}

// whole reports whether no part of the hashes is left out.
func (r span) whole() bool { return r.from == 0 && r.to == 1<<32 }

// hashPrefix is the number that the first eight digits of a hash make, those
// that are missing being zeros.
func hashPrefix(text string) (n uint64, err error) {
	for i := range max(len(text), 8) {
		digit := byte('0')
		if i < len(text) {
			digit = text[i]
		}
		value := uint64(digit - '0')
		switch {
		case 'a' <= digit && digit <= 'f':
			value = uint64(digit-'a') + 10
		case digit < '0' || digit > '9':
			return 0, fmt.Errorf("%q is not the beginning of a name_hash: use 0-9 and a-f", text)
		}
		if i < 8 {
			n = n<<4 | value
		}
	}
	return n, nil
}
