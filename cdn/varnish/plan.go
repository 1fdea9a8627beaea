package varnish

import (
	"slices"
	"strings"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/batch"
	"example.com/ezdfs/cdn/internal/tags"
)

// request is what is sent to every host for some items of a batch.
type request struct {
	method, path, host string
	header, value      string
	items              []int
}

// plan is how one item is invalidated: by requests of its own, or by keys.
type plan struct {
	requests []request
	keys     []string
}

// plan returns how an item is invalidated, false where there is no way.
func (t *Target) plan(item cdn.Item) (plan, bool) {
	keys, exact := tags.Of(item)
	switch {
	case item.Action != cdn.Invalidate:
	case item.Extent == cdn.Path:
		if t.byKeyAlone() && exact {
			return plan{keys: keys}, true
		}
		return plan{requests: t.purgeURL(item.Subject)}, true
	case item.Extent == cdn.All:
		return plan{requests: t.banPrefix("")}, true
	case t.cfg.Keys && exact:
		return plan{keys: keys}, true
	case item.Extent == cdn.Prefix:
		return plan{requests: t.banPrefix(item.Subject)}, true
	}
	return plan{}, false
}

func (t *Target) byKeyAlone() bool { return t.cfg.PurgeBy == "key" }

// purgeURL drops one URL of each site.
func (t *Target) purgeURL(name string) []request {
	var list []request
	for _, s := range t.sites {
		list = append(list, request{method: "PURGE", path: s.path + "/" + backends.EscapePath(name), host: s.host})
	}
	return list
}

// banPrefix drops the URLs that begin with a prefix. The bans of the VCL look
// at the path alone, so sites with the same one need no second.
func (t *Target) banPrefix(prefix string) []request {
	var list []request
	for i, s := range t.sites {
		if !slices.ContainsFunc(t.sites[:i], func(other site) bool { return other.path == s.path }) {
			list = append(list, request{method: "BAN", path: "/", host: s.host,
				header: "X-Ban-Prefix", value: s.path + "/" + backends.EscapePath(prefix)})
		}
	}
	return list
}

// byKey drops what has one of the keys of some items, as many at a time as fit
// into the header.
func (t *Target) byKey(parts []batch.Part) []request {
	var requests []request
	for _, chunk := range batch.Chunks(parts, maxKeys) {
		r := request{method: "PURGE", path: "/", host: t.sites[0].host, header: "xkey", value: strings.Join(batch.Objects(chunk), " ")}
		for _, p := range chunk {
			r.items = append(r.items, p.Item)
		}
		requests = append(requests, r)
	}
	return requests
}
