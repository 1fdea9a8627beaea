package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ezdfs/bulk"
)

// TestProgressBar looks at what a terminal would show while work goes on.
func TestProgressBar(t *testing.T) {
	for name, count := range map[string]func(context.Context) (int64, error){
		"unknown total": nil,
		"known total":   func(context.Context) (int64, error) { return 12, nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stderr bytes.Buffer
				r := &bulkRun{a: &app{stderr: &stderr}, verb: "stored", progress: new(bulk.Progress), count: count}
				stop := r.watch(t.Context())
				time.Sleep(time.Second)
				stop()
				if shown := stderr.String(); !strings.Contains(shown, "stored 0.0 MB, 0 failed") {
					t.Errorf("shown: %q", shown)
				} else if strings.Contains(shown, "/12") != (count != nil) {
					t.Errorf("the total is not as counted: %q", shown)
				}
			})
		})
	}
}

// TestShowsProgress: never where it would end up in a file.
func TestShowsProgress(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, a := range map[string]*app{
		"a buffer": {stderr: new(bytes.Buffer)},
		"a file":   {stderr: file},
	} {
		if got := a.progressMode(progressAuto); got != progressNone {
			t.Errorf("%s on %s", got, name)
		}
		if a.json = true; a.progressMode(progressAuto) != progressJSON || a.progressMode(progressBar) != progressBar {
			t.Errorf("with --json not what was asked for on %s", name)
		}
		if a.noProgress = true; a.progressMode(progressJSON) != progressNone {
			t.Errorf("progress on %s with --no-progress", name)
		}
	}
}

// TestProgressJSON looks at what a program would read while work goes on.
func TestProgressJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		r := &bulkRun{
			a: &app{stderr: &stderr}, verb: "stored", mode: progressJSON, progress: new(bulk.Progress),
			count: func(context.Context) (int64, error) { return 100, nil },
		}
		stop := r.show(t.Context())
		r.progress.AddMany(20, 5000)
		time.Sleep(progressEvery + time.Second)
		r.progress.AddMany(10, 1000)
		time.Sleep(progressEvery)
		stop()
		want := `{"progress":{"done":20,"skipped":0,"failed":0,"bytes":5000,"expected":100,"seconds":5,"files_per_second":4,"bytes_per_second":1000,"eta_seconds":20}}
{"progress":{"done":30,"skipped":0,"failed":0,"bytes":6000,"expected":100,"seconds":10,"files_per_second":2,"bytes_per_second":200,"eta_seconds":35}}
`
		if stderr.String() != want {
			t.Errorf("written:\n%swant:\n%s", stderr.String(), want)
		}
	})
}

// TestSlowest: people are told what took long, programs all.
func TestSlowest(t *testing.T) {
	var stdout bytes.Buffer
	a := &app{stdout: bufio.NewWriter(&stdout), stderr: new(bytes.Buffer)}
	r := &bulkRun{a: a, verb: "stored", progress: new(bulk.Progress)}
	r.progress.Add("var/fast", 1, time.Millisecond)
	r.progress.Add("var/slow", 1, 2500*time.Millisecond)
	for _, a.json = range []bool{false, true} {
		if err := r.finish(t.Context(), nil, 4*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	a.stdout.Flush()
	want := `stored 2 files, 2 bytes; 0 skipped as equal, 0 failed; 4.0 s, 0 files/s
slow:    2.5 s  var/slow
{"summary":{"done":2,"skipped":0,"failed":0,"bytes":2,"seconds":4,"files_per_second":0.5,"slowest":[{"name":"var/slow","seconds":2.5},{"name":"var/fast","seconds":0.001}]}}
`
	if stdout.String() != want {
		t.Errorf("printed:\n%swant:\n%s", stdout.String(), want)
	}
}

// TestSummary: numbers in JSON are never made readable for people.
func TestSummary(t *testing.T) {
	var stdout bytes.Buffer
	a := &app{stdout: bufio.NewWriter(&stdout), stderr: new(bytes.Buffer), json: true}
	r := &bulkRun{a: a, verb: "stored", progress: new(bulk.Progress)}
	if err := r.finish(t.Context(), nil, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	a.stdout.Flush()
	want := `{"summary":{"done":0,"skipped":0,"failed":0,"bytes":0,"seconds":2,"files_per_second":0}}` + "\n"
	if stdout.String() != want {
		t.Errorf("printed %q, want %q", stdout.String(), want)
	}
}

// TestPace: a rate that was measured over a moment means nothing.
func TestPace(t *testing.T) {
	for want, s := range map[string]summary{
		"12 ms":             {Seconds: 0.012, Rate: 32000},
		"2.5 s, 40 files/s": {Seconds: 2.5, Rate: 40},
	} {
		if got := s.pace(); got != want {
			t.Errorf("pace of %v is %q, want %q", s, got, want)
		}
	}
}
