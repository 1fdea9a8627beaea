package metadata

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDeliveryModel runs random operations against a model of the ledger.
// Leases and pauses are either over at once or outlast the test.
func TestDeliveryModel(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		round := 0
		rapid.Check(t, func(r *rapid.T) {
			if round++; s.config.Engine == SQLite && round > 15 {
				return // ten times as slow
			}
			m := &deliveryModel{t: t, s: s, target: fmt.Sprint("t:", round), rows: make(map[string]*modelDelivery)}
			r.Repeat(map[string]func(*rapid.T){
				"enqueue": m.enqueue, "lease": m.lease, "finish": m.finish, "retry": m.retry, "hasten": m.hasten, "": m.check,
			})
		})
	})
}

// modelDelivery is what a row should say.
type modelDelivery struct {
	state           DeliveryState
	action          string
	version, leased int64
	owner           string
	due             bool
	attempts        int
}

type deliveryModel struct {
	t      *testing.T
	s      *Store
	target string
	rows   map[string]*modelDelivery
	leases int
	held   []Delivery // leased at some time and not finished by who did
}

var genPath = rapid.SampledFrom([]string{"a", "A", "a ", "b", "c"})

func (m *deliveryModel) enqueue(r *rapid.T) {
	var list []Delivery
	for _, path := range rapid.SliceOfN(genPath, 1, 3).Draw(r, "paths") {
		d := change(m.target, path)
		d.Action = rapid.SampledFrom([]string{"push", "invalidate"}).Draw(r, "action")
		d.Wait = rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(r, "wait")
		list = append(list, d)
	}
	enqueue(m.t, m.s, list...)
	seen := map[string]bool{}
	for i := range list {
		d := list[len(list)-1-i]
		if seen[d.Subject] {
			continue
		}
		seen[d.Subject] = true
		row := m.rows[d.Subject]
		if row == nil {
			row = &modelDelivery{}
			m.rows[d.Subject] = row
		}
		switch {
		case row.state != DeliveryPending:
			row.state, row.due, row.attempts = DeliveryPending, d.Wait == 0, 0
		case d.Wait > 0 && row.owner == "":
			row.due = false
		}
		row.version++
		row.action = d.Action
	}
}

func (m *deliveryModel) lease(r *rapid.T) {
	m.leases++
	owner := fmt.Sprint("w", m.leases)
	ends := rapid.Bool().Draw(r, "the lease is over at once")
	duration := map[bool]time.Duration{true: -time.Second, false: time.Hour}[ends]
	n := rapid.IntRange(1, 3).Draw(r, "n")
	due := 0
	for _, row := range m.rows {
		if row.due {
			due++
		}
	}
	got := lease(m.t, m.s, m.target, owner, n, duration)
	if len(got) != min(n, due) {
		r.Fatalf("%d leased of %d that are due, asked for %d", len(got), due, n)
	}
	for subject, d := range got {
		row := m.rows[subject]
		if !row.due || d.Version != row.version || d.Action != row.action || d.Attempts != row.attempts {
			r.Fatalf("%+v, want %+v", d, row)
		}
		row.owner, row.leased, row.due = owner, row.version, ends
		m.held = append(m.held, d)
	}
}

func (m *deliveryModel) finish(r *rapid.T) {
	if len(m.held) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.held)-1).Draw(r, "which")
	d := m.held[i]
	o := rapid.SampledFrom([]Outcome{done, failed, tryAgain(-time.Second), tryAgain(time.Hour), {State: DeliveryPending}}).Draw(r, "outcome")
	o.Again = rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(r, "again")
	finish(m.t, m.s, d.Owner, o, d)
	row := m.rows[d.Subject]
	if row.owner != d.Owner {
		return // too late
	}
	switch {
	case o.State == DeliveryPending:
		row.due = o.Delay <= 0 && (o.Again == 0 || row.version == row.leased)
		if o.Error != "" {
			row.attempts++
		}
	case row.version != row.leased:
		row.due, row.attempts = o.Again == 0, 0
	default:
		row.state, row.due = o.State, false
		row.attempts++
		if o.State == DeliveryDelivered {
			row.attempts = 0
		}
	}
	row.owner, row.leased = "", 0
}

func (m *deliveryModel) retry(r *rapid.T) {
	want := int64(0)
	for _, row := range m.rows {
		if row.state == DeliveryFailed {
			row.state, row.due, row.attempts = DeliveryPending, true, 0
			row.version++
			want++
		}
	}
	if n, err := m.s.RetryDeliveries(m.t.Context(), m.target); n != want || err != nil {
		r.Fatalf("%d retried, want %d, %v", n, want, err)
	}
}

func (m *deliveryModel) hasten(r *rapid.T) {
	want := int64(0)
	for _, row := range m.rows {
		if row.state == DeliveryPending && !row.due && row.owner == "" && row.attempts > 0 {
			row.due = true
			want++
		}
	}
	if n, err := m.s.HastenDeliveries(m.t.Context(), m.target, 0); n != want || err != nil {
		r.Fatalf("%d hastened, want %d, %v", n, want, err)
	}
}

func (m *deliveryModel) check(r *rapid.T) {
	all := deliveriesOf(m.t, m.s, DeliveryFilter{Target: m.target})
	if len(all) != len(m.rows) {
		r.Fatalf("%d rows, want %d", len(all), len(m.rows))
	}
	for subject, want := range m.rows {
		d := all[m.target+" "+subject]
		got := modelDelivery{d.State, d.Action, d.Version, d.leased, d.Owner, want.due, d.Attempts}
		if got != *want || d.Due.IsZero() != (want.state != DeliveryPending) {
			r.Fatalf("%q: %+v, want %+v", subject, got, *want)
		}
	}
}

// TestDeliveriesOfManyWorkers: writers and workers at once. Nothing is lost,
// what was delivered last is what was asked for last, and nobody holds what
// another does, though workers give up at random.
func TestDeliveriesOfManyWorkers(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		const writers, workers, paths, changes = 3, 4, 40, 60
		b := &bench{t: t, s: s, held: map[string]string{}, asked: map[string]int64{}, told: map[string]int64{}}
		var writing, working sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for i := range changes {
					b.change(w, i, paths)
				}
			})
		}
		written := make(chan struct{})
		for w := range workers {
			working.Go(func() { b.work(w, written) })
		}
		writing.Wait()
		close(written)
		working.Wait()
		for subject, d := range deliveriesOf(t, s, DeliveryFilter{}) {
			if d.State != DeliveryDelivered || b.told[d.Subject] != b.asked[d.Subject] || d.Version != b.asked[d.Subject] {
				t.Errorf("%s: told %d of %d, %+v", subject, b.told[d.Subject], b.asked[d.Subject], d)
			}
		}
		t.Logf("%d deliveries of %d changes", b.deliveries, writers*changes*5)
	})
}

// bench is what writers and workers share.
type bench struct {
	t *testing.T
	s *Store

	mu         sync.Mutex
	held       map[string]string
	asked      map[string]int64 // changes committed
	told       map[string]int64 // newest version delivered
	deliveries int
}

func (b *bench) change(w, i, paths int) {
	var list []Delivery
	for k := range 5 {
		list = append(list, change("t", fmt.Sprint("p", (w*7+i*3+k*11)%paths)))
	}
	if err := b.s.Update(b.t.Context(), func(tx *Tx) error { return tx.Enqueue(list...) }); err != nil {
		b.t.Error(err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range list {
		b.asked[d.Subject]++
	}
}

// work delivers until everything was written and nothing is left.
func (b *bench) work(w int, written <-chan struct{}) {
	for round := 0; ; round++ {
		over := false
		select {
		case <-written:
			over = true
		default:
		}
		owner := fmt.Sprintf("w%d-%d", w, round)
		got, err := b.s.LeaseDeliveries(b.t.Context(), "t", owner, 7, time.Hour)
		if err != nil {
			b.t.Error(err)
			return
		}
		if len(got) == 0 && over {
			left, err := b.s.DeliveryStats(b.t.Context(), "t")
			if err != nil || left[0].Pending == 0 {
				return
			}
		}
		b.deliver(owner, got)
	}
}

func (b *bench) deliver(owner string, got []Delivery) {
	var outcomes []Outcome
	b.mu.Lock()
	for _, d := range got {
		if other := b.held[d.Subject]; other != "" {
			b.t.Errorf("%s has %s, which %s holds", owner, d.Subject, other)
		}
		b.held[d.Subject] = owner
	}
	b.mu.Unlock()
	for _, d := range got {
		o := Outcome{Delivery: d, State: DeliveryDelivered}
		if rand.N(5) == 0 {
			o = Outcome{Delivery: d, State: DeliveryPending, Error: "busy"}
		}
		outcomes = append(outcomes, o)
	}
	b.mu.Lock()
	for _, o := range outcomes {
		delete(b.held, o.Delivery.Subject)
		if o.State == DeliveryDelivered {
			b.deliveries++
			if b.told[o.Delivery.Subject] >= o.Delivery.Version {
				b.t.Errorf("%s is told version %d after %d", o.Delivery.Subject, o.Delivery.Version, b.told[o.Delivery.Subject])
			}
			b.told[o.Delivery.Subject] = o.Delivery.Version
		}
	}
	b.mu.Unlock()
	if err := b.s.FinishDeliveries(b.t.Context(), owner, outcomes); err != nil {
		b.t.Error(err)
	}
}
