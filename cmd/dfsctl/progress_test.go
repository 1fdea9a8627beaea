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
		if a.showsProgress() {
			t.Errorf("a progress bar on %s", name)
		}
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
