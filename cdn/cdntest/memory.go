package cdntest

import (
	"context"
	"fmt"
	"sync"

	"example.com/ezdfs/cdn"
)

// Memory is a target in memory, for the tests of whatever delivers to targets.
// It holds its caller to the limits that it was given.
type Memory struct {
	name   string
	limits cdn.Limits

	mu        sync.Mutex
	fail      func(cdn.Item) error
	delivered []cdn.Item
	batches   []int
	broken    []string
	under     int
}

var _ cdn.Target = (*Memory)(nil)

// NewMemory returns a target that takes all that its limits allow.
func NewMemory(name string, limits cdn.Limits) *Memory {
	return &Memory{name: name, limits: limits, fail: func(cdn.Item) error { return nil }}
}

// FailWith has items fail with what fail returns, nil for success. It is called
// before an item is taken, and may take its time.
func (m *Memory) FailWith(fail func(cdn.Item) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = fail
}

// Delivered lists the items that were taken, in order, repetitions included.
func (m *Memory) Delivered() []cdn.Item {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]cdn.Item(nil), m.delivered...)
}

// Batches lists how many items each call had.
func (m *Memory) Batches() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]int(nil), m.batches...)
}

// Broken lists how calls went beyond the limits.
func (m *Memory) Broken() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.broken...)
}

// Name is the one that was given.
func (m *Memory) Name() string { return m.name }

// Limits are those that were given.
func (m *Memory) Limits() cdn.Limits { return m.limits }

// Close does nothing.
func (m *Memory) Close() error { return nil }

// Test says that it works, unless an item of no subject would fail.
func (m *Memory) Test(ctx context.Context) (string, error) {
	if err := m.end(ctx); err != nil {
		return "", err
	}
	return "it is in memory", m.failure(cdn.Item{})
}

// Deliver takes a batch.
func (m *Memory) Deliver(ctx context.Context, batch []cdn.Item) []error {
	m.begin(batch)
	defer func() { m.mu.Lock(); m.under--; m.mu.Unlock() }()
	errs := make([]error, len(batch))
	for i, item := range batch {
		if errs[i] = m.end(ctx); errs[i] == nil {
			errs[i] = m.take(item)
		}
	}
	return errs
}

func (m *Memory) take(item cdn.Item) error {
	if !takes(m.limits, item) {
		return &cdn.Error{Target: m.name, Kind: cdn.ErrRefused, Reason: fmt.Sprintf("it does not %s a %s", item.Action, item.Extent)}
	}
	if err := m.failure(item); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delivered = append(m.delivered, item)
	return nil
}

func (m *Memory) failure(item cdn.Item) error {
	m.mu.Lock()
	fail := m.fail
	m.mu.Unlock()
	return fail(item)
}

// begin counts a call and holds it against the limits.
func (m *Memory) begin(batch []cdn.Item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.under++
	families, bytes := 0, 0
	for _, item := range batch {
		if item.Extent != cdn.Path {
			families++
		}
		if m.limits.Size != nil {
			bytes += m.limits.Size(item)
		}
	}
	m.batches = append(m.batches, len(batch))
	for _, limit := range []struct {
		what     string
		is, most int
	}{
		{"items", len(batch), m.limits.Items}, {"families", families, m.limits.Families},
		{"bytes", bytes, m.limits.Bytes}, {"calls at once", m.under, max(m.limits.Concurrent, 1)},
	} {
		if limit.most > 0 && limit.is > limit.most {
			m.broken = append(m.broken, fmt.Sprintf("%d %s, not %d", limit.is, limit.what, limit.most))
		}
	}
}

// end is the error of a context that is done.
func (m *Memory) end(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return &cdn.Error{Target: m.name, Kind: cdn.ErrUnavailable, Err: err}
	}
	return nil
}
