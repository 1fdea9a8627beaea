package delivery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

func TestPack(t *testing.T) {
	size := func(i cdn.Item) int { return len(i.Subject) }
	for _, c := range []struct {
		name, items string // a family is in capitals
		limits      cdn.Limits
		want        string
	}{
		{"nothing", "", cdn.Limits{Items: 3}, ""},
		{"no limits", "a B c", cdn.Limits{}, "a,B,c"},
		{"items", "a b c d e", cdn.Limits{Items: 2}, "a,b c,d e"},
		{"families", "A b C d E", cdn.Limits{Families: 2}, "A,b,C,d E"},
		{"bytes", "aaa bb c dddd", cdn.Limits{Bytes: 5, Size: size}, "aaa,bb c,dddd"},
		{"one too large", "a bbbbbb c", cdn.Limits{Bytes: 5, Size: size}, "a bbbbbb c"},
		{"families apart", "a B c D e", cdn.Limits{Items: 2, Families: 1, FamilyRate: 1}, "a,c e B D"},
	} {
		var list []prepared
		for name := range strings.FieldsSeq(c.items) {
			extent := cdn.Path
			if strings.ToUpper(name) == name {
				extent = cdn.Prefix
			}
			list = append(list, prepared{item: cdn.Item{Extent: extent, Subject: name}})
		}
		var got []string
		for _, batch := range pack(list, c.limits) {
			var names []string
			for _, p := range batch {
				names = append(names, p.item.Subject)
			}
			got = append(got, strings.Join(names, ","))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}

// Families that may be sent only now and then keep no path waiting, and wait in
// the ledger, where they join.
func TestFamiliesWaitApart(t *testing.T) {
	store, feed := newStore(t), newScript()
	target := cache("t:a", cdn.Prefix)
	target.limits.FamilyRate, target.limits.FamilyBurst = 1./3600, 1
	p := pipeline(t, store, quick(), []Rule{{Targets: "t:a"}}, target)
	run(t, p, feed)
	feed.add(kind(metadata.KindExpirePrefix, "var/first"))
	until(t, "the first is told", func() bool { return len(target.told()) == 1 })
	var list []changes.Change
	for i := range 20 {
		list = append(list, kind(metadata.KindExpirePrefix, fmt.Sprint("var/later", i%2)), stored(fmt.Sprint("var/", i)))
	}
	feed.add(list...)
	until(t, "the paths are told", func() bool { return len(target.told()) == 21 })
	until(t, "the families are put off", func() bool {
		n := 0
		for d, err := range store.Deliveries(t.Context(), metadata.DeliveryFilter{State: metadata.DeliveryPending}) {
			if err == nil && d.Owner == "" && d.Attempts == 0 && time.Until(d.Due) > 50*time.Minute {
				n++
			}
		}
		return n == 2
	})
}
