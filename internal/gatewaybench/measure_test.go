package gatewaybench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// result is what one run of the client saw.
type result struct {
	perSecond, bytesPerSecond float64
	p99, cpu                  float64 // seconds; cpu is the server's, for one request
}

// script makes wrk say what it counted in a form that can be read.
const script = `done = function(summary, latency, requests)
	local e = summary.errors
	io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.bytes, summary.duration,
		latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`

var line = regexp.MustCompile(`RESULT (\d+) (\d+) (\d+) (\d+) (\d+)`)

// measure has one server answer for a while.
func measure(t *testing.T, wrk string, l load, s *server) result {
	t.Helper()
	file := filepath.Join(t.TempDir(), "wrk.lua")
	if err := os.WriteFile(file, []byte(script), 0o666); err != nil {
		t.Fatal(err)
	}
	url := "http://" + s.address + l.path
	args := []string{"-t" + strconv.Itoa(runtime.NumCPU()), "-c" + strconv.Itoa(l.connections), "-d" + duration().String(), "-s", file}
	for _, h := range l.headers {
		args = append(args, "-H", h)
	}
	before := cpuTime(t, s.process.PID())
	out, err := exec.Command(wrk, append(args, url)...).CombinedOutput()
	used := cpuTime(t, s.process.PID()) - before
	m := line.FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("wrk: %v\n%s", err, out)
	}
	n := make([]float64, len(m))
	for i := range m {
		n[i], _ = strconv.ParseFloat(string(m[i]), 64)
	}
	if n[5] > 0 || n[1] == 0 {
		t.Fatalf("%s, %s: %v errors\n%s", l.name, s.name, n[5], out)
	}
	return result{
		perSecond: n[1] / n[3] * 1e6, bytesPerSecond: n[2] / n[3] * 1e6,
		p99: n[4] / 1e6, cpu: used.Seconds() / n[1],
	}
}

// cpuTime is what a process and its children have used so far, in ticks of a
// hundredth of a second.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	used, _ := stat(t, pid)
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	for _, child := range strings.Fields(string(children)) {
		n, _ := strconv.Atoi(child)
		more, _ := stat(t, n)
		used += more
	}
	return used
}

// stat reads the processor time of one process, and its resident memory in
// bytes.
func stat(t *testing.T, pid int) (used time.Duration, resident int64) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, pages * int64(os.Getpagesize())
}
