package bulk

import "time"

// climber finds the number of workers that makes the most of a store, by
// looking at what comes out. It doubles the number while that pays, then goes
// on in small steps, up and down in turn: up where throughput follows, down
// where it does not fall. When a store says that requests are too many the
// number is halved, and a while passes before the next step up.
//
// Limiters that go by the time of single calls, such as those after TCP Vegas,
// want calls that are alike. Here a thumbnail may follow a video.
type climber struct {
	limit, most int

	// The measurement under way.
	since     time.Time
	settling  int   // elements still to finish that began under another limit
	elements  int   // finished since
	files     int   // of these
	moved     int64 // bytes, when it began
	throttled int64 // requests, when it began

	// What is being tried: from is the limit before, 0 when nothing is.
	from     int
	settled  float64 // throughput of the limit before
	doubling bool
	down     bool // the next step
	rest     int  // measurements before the next step
	patience int  // how many the next rest takes
}

const (
	// minMeasure is how long a throughput is measured at least.
	minMeasure = 250 * time.Millisecond
	// fileBytes is how many bytes weigh as much as the file they belong to:
	// what a request costs beside its bytes.
	fileBytes = 64 << 10
	// maxPatience and afterThrottle are rests, in measurements.
	maxPatience   = 32
	afterThrottle = 16
)

func newClimber(start, most int, now time.Time) *climber {
	return &climber{limit: start, most: most, since: now, doubling: true, patience: 1}
}

// finished notes that work on an element of so many files has ended, with the
// bytes moved and the requests throttled since the beginning, and returns how
// many workers there should be.
func (c *climber) finished(now time.Time, files int, moved, throttled int64) int {
	if c.settling > 0 {
		if c.settling--; c.settling == 0 {
			c.measure(now, moved, throttled)
		}
		return c.limit
	}
	c.elements++
	c.files += files
	took, refused := now.Sub(c.since), throttled > c.throttled
	if !refused && (took < minMeasure || c.elements < 2*c.limit) {
		return c.limit
	}
	before := c.limit
	c.step((float64(c.files)+float64(moved-c.moved)/fileBytes)/max(took, 1).Seconds(), refused)
	c.measure(now, moved, throttled)
	if c.limit != before {
		c.settling = before
	}
	return c.limit
}

func (c *climber) measure(now time.Time, moved, throttled int64) {
	c.since, c.elements, c.files, c.moved, c.throttled = now, 0, 0, moved, throttled
}

// step decides by the throughput of the limit.
func (c *climber) step(throughput float64, throttled bool) {
	switch {
	case throttled:
		c.limit = max(1, c.limit/2)
		c.from, c.settled, c.doubling, c.down, c.rest = 0, 0, false, false, afterThrottle
	case c.from > 0:
		c.judge(throughput)
	default:
		if c.settled == 0 {
			c.settled = throughput
		}
		c.settled += (throughput - c.settled) / 4
		if c.rest--; c.rest < 0 {
			c.try()
		}
	}
}

// judge keeps what was tried, or goes back.
func (c *climber) judge(throughput float64) {
	grown := float64(c.limit)/float64(c.from) - 1 // negative on the way down
	// A step up must bring a third of what it could; a step down may cost no
	// more than what is noise.
	if gain := throughput/c.settled - 1; gain >= max(grown/3, -0.03) {
		c.settled, c.patience = throughput, 1
		c.try()
		return
	}
	c.limit, c.from = c.from, 0
	if c.doubling {
		c.doubling = false
		return
	}
	c.down = !c.down
	c.rest = c.patience
	c.patience = min(2*c.patience, maxPatience)
}

// try takes the next step, if there is one.
func (c *climber) try() {
	c.from = c.limit
	switch {
	case c.doubling:
		c.limit = min(2*c.limit, c.most)
	case c.down:
		c.limit -= max(1, c.limit/5)
	default:
		c.limit = min(c.limit+max(1, c.limit/4), c.most)
	}
	if c.limit = max(c.limit, 1); c.limit == c.from {
		c.from, c.doubling, c.down, c.rest = 0, false, !c.down, c.patience
	}
}
