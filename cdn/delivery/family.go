package delivery

import (
	"slices"
	"strings"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// wildcard is the extent of a family that no target has a name for: the paths
// that match a pattern of the legacy. It is always expanded.
const wildcard cdn.Extent = "wildcard"

// familyOf says which family a change is about. That of a table that was
// emptied is everything: which paths were in it nobody knows any more.
func familyOf(c changes.Change) (cdn.Extent, string) {
	switch c.Kind {
	case metadata.KindExpirePrefix:
		return cdn.Prefix, c.Subject
	case metadata.KindExpireTrunk:
		return cdn.Trunk, c.Subject
	case metadata.KindExpireScope:
		return cdn.Scope, c.Subject
	case metadata.KindExpireWildcard:
		return wildcard, c.Subject
	}
	return cdn.All, ""
}

// pushes lists the kinds of changes after which there is a body to take. The
// others are about the row alone, or its end.
var pushes = []metadata.Kind{metadata.KindStore, metadata.KindCopy, metadata.KindMove, metadata.KindRepair}

// deliveries returns what follows from a change.
func (p *Pipeline) deliveries(c changes.Change) []metadata.Delivery {
	if !c.Kind.Family() {
		return p.pathDeliveries(c)
	}
	extent, subject := familyOf(c)
	return p.familyDeliveries(c, extent, subject)
}

func (p *Pipeline) pathDeliveries(c changes.Change) []metadata.Delivery {
	one := p.rules.of(c.Subject)
	if one == nil || metadata.IsGenerating(c.Subject) || !one.takes(c.Kind, c.Scope) {
		return nil
	}
	d := metadata.Delivery{Extent: string(cdn.Path), Subject: c.Subject, Scope: c.Scope, Changed: c.Time}
	return p.along(nil, one.routes, d, slices.Contains(pushes, c.Kind))
}

// along appends a delivery for each of some routes.
func (p *Pipeline) along(list []metadata.Delivery, routes []route, d metadata.Delivery, push bool) []metadata.Delivery {
	for _, r := range routes {
		d.Target, d.Followers, d.Action = r.target, r.followers, string(cdn.Invalidate)
		w := p.workers[r.target]
		if push && w != nil && w.does(cdn.Push) {
			d.Action = string(cdn.Push)
		}
		if w != nil && !w.does(cdn.Action(d.Action)) {
			list = p.followers(list, d)
			continue
		}
		list = append(list, d)
	}
	return list
}

// familyDeliveries returns one delivery for each target that a family may be
// about: of the family as it is, or of the part of a prefix that a rule takes.
func (p *Pipeline) familyDeliveries(c changes.Change, extent cdn.Extent, subject string) []metadata.Delivery {
	begins := "" // what every path of the family begins with
	scope := ""
	switch extent {
	case cdn.Prefix, cdn.Trunk:
		begins = subject
	case cdn.Scope:
		scope = subject
	case wildcard:
		begins, _ = metadata.WildcardPrefix(subject) // "" is right for a pattern that is none
	}
	var list []metadata.Delivery
	for _, part := range p.rules.covering(begins) {
		if !part.takes(c.Kind, scope) {
			continue
		}
		d := metadata.Delivery{Extent: string(extent), Subject: subject, Scope: scope, Changed: c.Time}
		if extent == cdn.Prefix {
			d.Subject = part.prefix
		}
		list = p.along(list, part.routes, d, false)
	}
	return withoutCovered(list)
}

// withoutCovered drops the prefixes that a wider one to the same target
// covers, and joins equal families that differ in who follows.
func withoutCovered(list []metadata.Delivery) (kept []metadata.Delivery) {
	for i, d := range list {
		covered := slices.ContainsFunc(list, func(other metadata.Delivery) bool {
			return other.Target == d.Target && other.Followers == d.Followers && other.Extent == string(cdn.Prefix) &&
				d.Subject != other.Subject && strings.HasPrefix(d.Subject, other.Subject)
		})
		j := slices.IndexFunc(kept, func(k metadata.Delivery) bool { return k.Target == d.Target && k.Subject == d.Subject })
		switch {
		case covered:
		case j < 0:
			kept = append(kept, list[i])
		case d.Followers != "" && kept[j].Followers != d.Followers:
			kept[j].Followers = strings.Trim(kept[j].Followers+","+d.Followers, ",")
		}
	}
	return kept
}

// followers returns what is to be delivered once d was.
func (p *Pipeline) followers(list []metadata.Delivery, d metadata.Delivery) []metadata.Delivery {
	if d.Followers == "" {
		return list
	}
	routes, err := parseRoutes(d.Followers)
	if err != nil { // written by hand, or by another version
		p.logger.Error("the followers of a delivery are not understood", "target", d.Target, "subject", d.Subject, "error", err)
	}
	next := metadata.Delivery{Extent: d.Extent, Subject: d.Subject, Scope: d.Scope, Changed: d.Changed}
	return p.along(list, routes, next, d.Action == string(cdn.Push))
}

// item is a delivery as its target gets it. Its ID is another one whenever the
// path has changed again.
func item(d metadata.Delivery) cdn.Item {
	i := cdn.Item{ID: itemID(d), Action: cdn.Action(d.Action), Extent: cdn.Extent(d.Extent), Subject: d.Subject}
	if i.Extent == cdn.Path {
		i.Row.Name = d.Subject
	}
	return i
}
