package memcached

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeases(t *testing.T) {
	a, b := []string{"a"}, []string{"b"}
	for _, c := range []struct {
		name string
		do   func(l *leases) (asked time.Time)
		want string
	}{
		{"nothing was asked", func(*leases) time.Time { return time.Now() }, ""},
		{"asked before", func(l *leases) time.Time { l.ask("x", a); return time.Now() }, "a"},
		{"asked after the row was", func(l *leases) time.Time {
			asked := time.Now()
			time.Sleep(time.Millisecond)
			l.ask("x", a)
			return asked
		}, ""},
		{"the first of equal readings counts", func(l *leases) time.Time {
			l.ask("x", a)
			asked := time.Now()
			time.Sleep(time.Second)
			l.ask("x", a)
			return asked
		}, "a"},
		{"of others the last", func(l *leases) time.Time {
			l.ask("x", a)
			l.ask("x", b)
			return time.Now()
		}, "b"},
		{"the query began before the token changed", func(l *leases) time.Time {
			l.ask("x", a)
			asked := time.Now()
			time.Sleep(time.Second)
			l.ask("x", b)
			return asked
		}, ""},
		{"once", func(l *leases) time.Time {
			l.ask("x", a)
			l.answer("x", time.Now())
			return time.Now()
		}, ""},
		{"old readings are replaced", func(l *leases) time.Time {
			l.ask("x", a)
			asked := time.Now()
			time.Sleep(leaseTime)
			l.ask("x", a)
			return asked
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l leases
				var got string
				if tokens := l.answer("x", c.do(&l)); tokens != nil {
					got = tokens[0]
				}
				if got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestLeasesAreBounded(t *testing.T) {
	var l leases
	for i := range maxLeases + 10 {
		l.ask(strconv.Itoa(i), []string{"a"})
	}
	if len(l.open) > maxLeases {
		t.Errorf("%d are kept", len(l.open))
	}
	if l.answer(strconv.Itoa(maxLeases+9), time.Now()) == nil {
		t.Error("the last one was forgotten")
	}
}
