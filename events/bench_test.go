package events

import (
	"context"
	"fmt"
	"testing"

	"example.com/ezdfs/metadata"
)

// BenchmarkPublish is one deleteFile for so many listeners behind queues, which
// take them as they come.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{0, 1, 4} {
		b.Run(fmt.Sprint("listeners=", n), func(b *testing.B) {
			var listeners []Listener
			for range n {
				listeners = append(listeners, &plain{})
			}
			h := New(listeners, Options{})
			e := deletion("var/site/storage/images/1-article/a.png")
			b.ReportAllocs()
			for b.Loop() {
				h.Publish(e)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			var dropped uint64
			for _, s := range h.Stats() {
				dropped += s.Dropped
			}
			b.ReportMetric(float64(dropped)/float64(b.N*max(n, 1)), "dropped/op")
			closeHub(b, h)
		})
	}
}

// BenchmarkDeliver publishes to one listener no faster than it takes: events
// per second from end to end.
func BenchmarkDeliver(b *testing.B) {
	done := make(chan int, 1<<16)
	h := New([]Listener{&counting{done: done}}, Options{})
	e := deletion("var/site/storage/images/1-article/a.png")
	waiting := 0
	for b.Loop() {
		h.Publish(e)
		for waiting++; waiting > 5000; {
			waiting -= <-done
		}
	}
	for waiting > 0 {
		waiting -= <-done
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	closeHub(b, h)
}

// counting tells how many events it got.
type counting struct {
	plain
	done chan int
}

func (c *counting) Notify(_ context.Context, batch []Event) error {
	c.done <- len(batch)
	return nil
}

// BenchmarkLoadMiss is what the hub adds to a query: nothing without
// listeners, else a shared flight and the notification.
func BenchmarkLoadMiss(b *testing.B) {
	row := metadata.Row{Name: "var/a", Size: 1}
	missing := noRow("var/a")
	for name, listeners := range map[string][]Listener{"none": nil, "inline": {&quiet{}}} {
		for _, err := range []error{nil, missing} {
			b.Run(fmt.Sprintf("listeners=%s/missing=%v", name, err != nil), func(b *testing.B) {
				h := New(listeners, Options{})
				query := func(context.Context) (metadata.Row, error) { return row, err }
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, got := h.Load(b.Context(), row.Name, query); got != nil && err == nil {
							b.Error(got)
						}
					}
				})
				closeHub(b, h)
			})
		}
	}
}

// quiet is told inline and does nothing.
type quiet struct{ plain }

func (*quiet) NotifyInline(Event) {}
