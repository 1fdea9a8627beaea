// Command benchtable runs the benchmarks that the README quotes and prints
// them as one Markdown table.
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// runs are the benchmarks, with how long each lasts: route lookups want many
// rounds, a clusterize of 5,000 files few.
var runs = []struct{ pkg, bench, time string }{
	{"./dispatcher", "Lookup", "1s"},
	{"./cluster", "Stat", "2s"},
	{"./cluster", "Hit", "2s"},
	{"./cluster", "Store10K", "2s"},
	{"./bulk", "Clusterize", "3x"},
	{"./events", "(Publish|Deliver)", "1s"},
}

// line is a result of go test -bench.
var line = regexp.MustCompile(`^Benchmark(\S+?)(-\d+)?\s+\d+\s+([\d.]+) ns/op(.*)$`)

// metric is one further figure of such a line.
var metric = regexp.MustCompile(`([\d.]+) (files/s|events/s|allocs/op)`)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "benchtable:", err)
		os.Exit(1)
	}
}

func run() error {
	fmt.Printf("%s, %d cores\n\n", runtime.Version(), runtime.NumCPU())
	fmt.Println("| benchmark | time each | per second | allocations |")
	fmt.Println("| --- | ---: | ---: | ---: |")
	for _, r := range runs {
		if err := bench(r.pkg, r.bench, r.time); err != nil {
			return fmt.Errorf("%s %s: %w", r.pkg, r.bench, err)
		}
	}
	return nil
}

func bench(pkg, name, duration string) error {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "^Benchmark"+name+"$", "-benchtime", duration, pkg)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var rest strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if row := row(lines.Text()); row != "" {
			fmt.Println(row)
		} else {
			fmt.Fprintln(&rest, lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, &rest)
	}
	return nil
}

// row turns a result into a row of the table, or anything else into "".
func row(text string) string {
	m := line.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	figures := map[string]string{}
	for _, f := range metric.FindAllStringSubmatch(m[4], -1) {
		figures[f[2]] = f[1]
	}
	return fmt.Sprintf("| %s | %s | %s | %s |", m[1], each(m[3]), rounded(cmp.Or(figures["files/s"], figures["events/s"])), figures["allocs/op"])
}

// each prints nanoseconds with a unit that suits them.
func each(ns string) string {
	n, _ := strconv.ParseFloat(ns, 64)
	for _, unit := range []string{"ns", "µs", "ms"} {
		if n < 1000 {
			return fmt.Sprintf("%.3g %s", n, unit)
		}
		n /= 1000
	}
	return fmt.Sprintf("%.3g s", n)
}

func rounded(figure string) string {
	n, err := strconv.ParseFloat(figure, 64)
	if err != nil {
		return ""
	}
	return strconv.FormatFloat(n, 'f', 0, 64)
}
