package testservice

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Measurement skips what is no test but a measurement, which takes minutes, unless
// DFS_BENCH is set.
func Measurement(tb testing.TB) {
	tb.Helper()
	if os.Getenv("DFS_BENCH") == "" {
		tb.Skip("a measurement: set DFS_BENCH=1")
	}
}

// MeasuredFiles is Measurement, and returns for how many files it is made: what
// DFS_BENCH_FILES says, or standard.
func MeasuredFiles(tb testing.TB, standard int) int {
	tb.Helper()
	Measurement(tb)
	text := os.Getenv("DFS_BENCH_FILES")
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		tb.Fatalf("DFS_BENCH_FILES=%s is no number of files", text)
	}
	return n
}

// Dfsctl builds the command, which goes with the test, and returns its path.
func Dfsctl(tb testing.TB) string {
	tb.Helper()
	program := filepath.Join(tb.TempDir(), "dfsctl")
	if out, err := exec.Command("go", "build", "-o", program, "example.com/ezdfs/cmd/dfsctl").CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return program
}
