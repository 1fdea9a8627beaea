package binlog

import (
	"errors"
	"testing"

	"example.com/ezdfs/changes"
)

const uuid1, uuid2 = "3e11fa47-71ca-11e1-9e33-c80aa9429562", "4350f323-7565-4e59-8763-4b1b83a0ce0e"

func TestPositionsAreStable(t *testing.T) {
	for _, p := range []changes.Position{
		"binlog:mariadb:", "binlog:mariadb:0-1-17", "binlog:mariadb:0-1-17,3-2-1", "binlog:mariadb:0-1-17/0-1-18+300", "binlog:mariadb:/0-1-1+1",
		"binlog:mariadb:4294967295-4294967295-18446744073709551615",
		"binlog:mysql:", "binlog:mysql:" + uuid1 + ":1-5:7-9", "binlog:mysql:" + uuid1 + ":1-5," + uuid2 + ":1-2",
		"binlog:mysql:" + uuid1 + ":1-5/" + uuid1 + ":6+12",
		"binlog:file:" + uuid1 + ":binlog.000001:4711", "binlog:file:" + uuid1 + ":binlog.000001:4711+12",
	} {
		at, err := parsePlace(p)
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		if got := at.position(); got != p {
			t.Errorf("%s became %s", p, got)
		}
		if got := (place{at.state.clone(), at.next, at.rows}).position(); got != p {
			t.Errorf("the copy of %s is %s", p, got)
		}
	}
}

func FuzzPosition(f *testing.F) {
	for _, p := range []string{
		"newest", "binlog:mariadb:0-1-17,1-1-2/0-1-18+300", "binlog:mysql:" + uuid1 + ":1-5:7," + uuid2 + ":3/" + uuid1 + ":6+1",
		"binlog:file:" + uuid1 + ":binlog.000001:4711+12", "binlog:file:a:b+c.1:5", "binlog:mariadb:+1", "binlog:mysql::",
	} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parsePlace(changes.Position(text))
		if err != nil {
			var lost *changes.LostError
			if !errors.As(err, &lost) || lost.Position != changes.Position(text) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		canonical := at.position()
		again, err := parsePlace(canonical)
		if err != nil || again.position() != canonical {
			t.Errorf("%q became %q, which became %v, %v", text, canonical, again, err)
		}
	})
}

func TestReached(t *testing.T) {
	state := func(text changes.Position) state {
		at, err := parsePlace(text)
		if err != nil {
			t.Fatal(err)
		}
		return at.state
	}
	for _, test := range []struct {
		at, head changes.Position
		want     bool
	}{
		{"binlog:mariadb:", "binlog:mariadb:", true},
		{"binlog:mariadb:", "binlog:mariadb:0-1-1", false},
		{"binlog:mariadb:0-1-1,1-1-5", "binlog:mariadb:0-1-1,1-1-5", true},
		{"binlog:mariadb:0-1-1,1-1-5", "binlog:mariadb:0-1-2,1-1-5", false},
		{"binlog:mysql:" + uuid1 + ":1-5", "binlog:mysql:" + uuid1 + ":1-5", true},
		{"binlog:mysql:" + uuid1 + ":1-6", "binlog:mysql:" + uuid1 + ":1-5", true},
		{"binlog:mysql:" + uuid1 + ":1-3:5", "binlog:mysql:" + uuid1 + ":1-5", false},
		{"binlog:file:u:b.999999:900", "binlog:file:u:b.1000000:4", false},
		{"binlog:file:u:b.1000000:4", "binlog:file:u:b.999999:900", true},
		{"binlog:file:u:b.000002:4", "binlog:file:u:b.000002:5", false},
		{"binlog:file:u:b.000002:5", "binlog:file:u:b.000002:5", true},
		{"binlog:file:u:b.000002:5", "binlog:mariadb:0-1-1", false},
	} {
		if got := state(test.at).reached(state(test.head)); got != test.want {
			t.Errorf("%s reached %s: %v", test.at, test.head, got)
		}
	}
}
