// Command dfsctl is what administrators of a cluster work with: `dfsctl help`
// lists what it can do and what its exit codes mean.
//
// Each command has a file of its own, which holds flags and output and no
// logic; what a command does lies in the packages it calls.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// version is set by the linker (make build).
var version string

func main() {
	// Bodies stream through a few large buffers; half the usual headroom for
	// garbage keeps the process under 100 MB whatever their size.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal stops cleanly, the second kills
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv))
}
