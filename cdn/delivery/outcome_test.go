package delivery

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/metadata"
)

// A batch that failed as a whole comes back in halves, so that one item that a
// target cannot bear is alone in the end; one that was too much for it at a time
// comes back together.
func TestOutcomesOfHalves(t *testing.T) {
	o := quick()
	o.MinBackoff, o.MaxBackoff = time.Hour, 10*time.Hour
	p := pipeline(t, newStore(t), o, []Rule{{Targets: "t:a"}}, cache("t:a"))
	for _, c := range []struct {
		kind   error
		halves bool
	}{{cdn.ErrUnavailable, true}, {cdn.ErrThrottled, false}} {
		batch, errs := make([]prepared, 5), make([]error, 5)
		for k := range errs {
			errs[k] = &cdn.Error{Target: "t:a", Kind: c.kind}
		}
		got := p.workers["t:a"].outcomes(batch, errs)
		if got[0].Delay != got[2].Delay || got[3].Delay != got[4].Delay || (got[0].Delay != got[4].Delay) != c.halves {
			t.Errorf("%v: %+v", c.kind, got)
		}
	}
}

// What is given up of a batch is one line in the log.
func TestFailuresAreOneLine(t *testing.T) {
	var log bytes.Buffer
	o := quick()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	p := pipeline(t, newStore(t), o, []Rule{{Targets: "t:a"}}, cache("t:a"))
	var outcomes []metadata.Outcome
	for _, state := range []metadata.DeliveryState{metadata.DeliveryDelivered, metadata.DeliveryFailed, metadata.DeliveryFailed} {
		outcomes = append(outcomes, metadata.Outcome{State: state, Error: "refused"})
	}
	p.workers["t:a"].complain(outcomes[:1])
	if log.Len() > 0 {
		t.Errorf("of nothing: %s", &log)
	}
	p.workers["t:a"].complain(outcomes)
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "failed=2") {
		t.Errorf("%s", text)
	}
}
