package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/check"
)

// finishCheck has a check end in this way, and returns what was printed.
func finishCheck(t *testing.T, json bool, s check.Summary, end error) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{stdout: bufio.NewWriter(&out), stderr: &errs, json: json}
	r := &bulkRun{a: a, verb: "checked", progress: new(bulk.Progress)}
	r.progress.Took("var/fast", time.Millisecond)
	r.progress.Took("var/slow", 2500*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if errors.Is(end, context.Canceled) {
		cancel()
	}
	err = r.finishCheck(ctx, s, 4*time.Second, end)
	a.stdout.Flush()
	return out.String(), errs.String(), err
}

// TestCheckTellsTheSlowest: as all bulk operations do.
func TestCheckTellsTheSlowest(t *testing.T) {
	stdout, _, err := finishCheck(t, false, check.Summary{Rows: 2}, nil)
	if !strings.HasSuffix(stdout, "\nslow:    2.5 s  var/slow\n") || err != nil {
		t.Errorf("printed:\n%s%v", stdout, err)
	}
	stdout, _, _ = finishCheck(t, true, check.Summary{Rows: 2}, nil)
	if want := `"slowest":[{"name":"var/slow","seconds":2.5},{"name":"var/fast","seconds":0.001}]}}`; !strings.HasSuffix(stdout, want+"\n") {
		t.Errorf("printed:\n%s", stdout)
	}
}

// TestCheckSaysHowToGoOn: whatever ended it, and the error keeps its kind.
func TestCheckSaysHowToGoOn(t *testing.T) {
	gone := errors.New("the database is gone")
	for _, test := range []struct {
		summary check.Summary
		end     error
		want    string
	}{
		{check.Summary{Rows: 9, Next: "c0ffee00"}, gone, "checked up to name_hash c0ffee00; --from c0ffee00 goes on there"},
		{check.Summary{Rows: 9, Next: "00000000"}, gone, "no part is checked to its end; begin again"},
		{check.Summary{Rows: 9}, gone, "all is checked but for case twins"},
		{check.Summary{}, gone, "the backends were being listed and nothing is checked"},
		{check.Summary{Rows: 9, Next: "c0ffee00"}, context.Canceled, "interrupted: checked up to name_hash c0ffee00; --from c0ffee00 goes on there"},
	} {
		_, stderr, err := finishCheck(t, false, test.summary, test.end)
		told := stderr == "dfsctl: "+test.want+"\n" && err == test.end
		if test.end != gone { // of the interruption this is the error
			told = stderr == "" && err != nil && err.Error() == test.want
		}
		if !told {
			t.Errorf("%+v: wrote %q, returned %v, want %q", test.summary, stderr, err, test.want)
		}
	}
	if _, stderr, _ := finishCheck(t, false, check.Summary{Rows: 9}, nil); stderr != "" {
		t.Errorf("a check that came to its end says %q", stderr)
	}
}
