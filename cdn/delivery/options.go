package delivery

import (
	"cmp"
	"crypto/rand"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ezdfs/metadata"
)

// Options are what one may want otherwise. The zero value of each field is its
// default.
type Options struct {
	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // of the metrics; nil for none

	// Lease is how long others wait before they take over what a host that died
	// was doing; 30 seconds. It is renewed while work goes on.
	Lease time.Duration
	// Poll is how often a worker looks for what other hosts enqueued and for
	// what is due again; 250 ms. What this host's feed enqueues is not waited
	// for so long.
	Poll time.Duration
	// Linger is how long deliveries gather before a batch that is not full
	// leaves; 25 ms.
	Linger time.Duration
	// Settle is for how long after a change is seen a gateway may still serve
	// what was there before, to a cache that asks anew because it was told to
	// forget; 0 for never. See [cdn.Limits].Cheap for what follows.
	Settle time.Duration
	// FeedBatch is how many changes one transaction takes; 500.
	FeedBatch int
	// IgnoreLost lets the feed go on from the newest change when some were
	// lost. Without it everything is invalidated, so that no stale copy
	// survives.
	IgnoreLost bool

	// MaxAttempts is how often a delivery is tried; 500, which with MaxBackoff
	// is more than a day.
	MaxAttempts int
	// MinBackoff and MaxBackoff bound the pause after a failure, which doubles;
	// a second and 5 minutes. A target that comes back after an outage gets
	// what waits at once.
	MinBackoff, MaxBackoff time.Duration
	// BreakerFailures is how many calls in a row fail before a target is left
	// alone, and BreakerDelay for how long; 5, 5 seconds.
	BreakerFailures int
	BreakerDelay    time.Duration

	// CoalesceAbove is the backlog of a target beyond which paths become
	// prefixes; 5,000. Negative for never. CoalesceAtLeast is how many paths
	// one prefix has to replace; 500.
	CoalesceAbove, CoalesceAtLeast int

	// Retention is how long it is remembered what was delivered; a day.
	Retention time.Duration
	// Grace is how long calls under way may take when Run ends; 10 seconds.
	Grace time.Duration

	// WarmConcurrency bounds the requests that warm caches; 4.
	WarmConcurrency int
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Lease = cmp.Or(o.Lease, 30*time.Second)
	o.Poll = cmp.Or(o.Poll, 250*time.Millisecond)
	o.Linger = cmp.Or(o.Linger, 25*time.Millisecond)
	o.FeedBatch = cmp.Or(o.FeedBatch, 500)
	o.MaxAttempts = cmp.Or(o.MaxAttempts, 500)
	o.MinBackoff = cmp.Or(o.MinBackoff, time.Second)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, 5*time.Minute)
	o.BreakerFailures = cmp.Or(o.BreakerFailures, 5)
	o.BreakerDelay = cmp.Or(o.BreakerDelay, 5*time.Second)
	o.CoalesceAbove = cmp.Or(o.CoalesceAbove, 5000)
	o.CoalesceAtLeast = cmp.Or(o.CoalesceAtLeast, 500)
	o.Retention = cmp.Or(o.Retention, 24*time.Hour)
	o.Grace = cmp.Or(o.Grace, 10*time.Second)
	o.WarmConcurrency = cmp.Or(o.WarmConcurrency, 4)
	return o
}

// newOwner makes a name for what holds a lease that nobody else has: the host
// and the process, to be read in the table, and something random.
func newOwner() string {
	host, _ := os.Hostname()
	return host[:min(len(host), 64)] + "-" + strconv.Itoa(os.Getpid()) + "-" + rand.Text()
}

// itemID is the ID under which a target knows a delivery.
func itemID(d metadata.Delivery) string {
	return d.Hash() + "-" + strconv.FormatInt(d.Enqueued.UnixMicro(), 36) + "-" + strconv.FormatInt(d.Version, 36)
}
