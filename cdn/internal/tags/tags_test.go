package tags

import (
	"slices"
	"strings"
	"testing"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/gateway/surrogate"
	"example.com/ezdfs/metadata"
)

// The keys of an item are among those that the gateway sends with the rows
// that it means, and with no others.
func TestKeysAreTheGateways(t *testing.T) {
	deep := strings.Repeat("d/", surrogate.MaxDirectories)
	rows := []metadata.Row{
		{Name: "var/s/images/a.png", Trunk: "var/s/images/a.png", Scope: "image"},
		{Name: "var/s/images/a.png/b", Trunk: "var/s/images/a.png/b", Scope: "binaryfile"},
		{Name: "var/s/imagesx", Trunk: "var/s/imagesx"},
		{Name: "var/s/cache/2-a.cache", Trunk: "var/s/cache/2-", Scope: "viewcache"},
		{Name: deep + "x", Trunk: deep + "x"}, {Name: deep + "e/x", Trunk: deep + "e/x"},
	}
	for _, test := range []struct {
		extent  cdn.Extent
		subject string
		ok      bool
		means   func(metadata.Row) bool
	}{
		{cdn.Path, "var/s/images/a.png", true, func(r metadata.Row) bool { return r.Name == "var/s/images/a.png" }},
		{cdn.Prefix, "var/s/images/", true, func(r metadata.Row) bool { return strings.HasPrefix(r.Name, "var/s/images/") }},
		{cdn.Prefix, "var/s/images", false, nil},
		{cdn.Prefix, deep, true, func(r metadata.Row) bool { return strings.HasPrefix(r.Name, deep) }},
		{cdn.Prefix, deep + "e/", false, nil},
		{cdn.Trunk, "var/s/cache/2-", true, func(r metadata.Row) bool { return r.Trunk == "var/s/cache/2-" }},
		{cdn.Trunk, "var/s/images/a.png", true, func(r metadata.Row) bool { return r.Trunk == "var/s/images/a.png" }},
		{cdn.Scope, "image", true, func(r metadata.Row) bool { return r.Scope == "image" }},
		{cdn.Scope, "", false, nil},
		{cdn.All, "", false, nil},
	} {
		keys, ok := Of(cdn.Item{Extent: test.extent, Subject: test.subject})
		if ok != test.ok {
			t.Errorf("%s %q: %v", test.extent, test.subject, ok)
		}
		for _, row := range rows {
			hit := slices.ContainsFunc(surrogate.Keys(row), func(key string) bool { return slices.Contains(keys, key) })
			if want := ok && test.means(row); hit != want {
				t.Errorf("%s %q and %s: %v, want %v", test.extent, test.subject, row.Name, hit, want)
			}
		}
	}
}
