package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/ezdfs/dispatcher"
	"example.com/ezdfs/metadata"
)

// Rule says which targets are told of the paths that begin with a prefix. As
// in the dispatcher, the first rule that matches a path is the only one that
// counts for it, also where its restrictions then leave a change out.
type Rule struct {
	// Prefix is what the paths begin with, byte for byte. The empty prefix
	// takes every path that no other rule takes, wherever it stands.
	Prefix string
	// Targets are names of targets, separated by commas. With "a>b", b is told
	// once a has taken the change or was given up: a bucket is fed before the
	// CDN in front of it forgets what it has.
	Targets string
	// Scopes and Kinds restrict the rule to changes of these scopes and kinds;
	// empty means all. Where the feed does not know the scope, it counts as
	// meant.
	Scopes []string
	Kinds  []metadata.Kind
	// Warm is the base of the URL under which a path is requested once a cache
	// was told to forget it; empty for none.
	Warm string
}

// Rules find the targets of changes. They are immutable.
type Rules struct {
	rules    []rule // those with a prefix in order
	router   *dispatcher.Router
	fallback *rule // nil for none
}

// rule is a Rule with its targets parsed.
type rule struct {
	Rule
	routes []route
}

// route is a target that is told first, and those to be told after it, as a
// list of targets like that of a Rule.
type route struct{ target, followers string }

// NewRules returns rules in their order. Mistakes are joined in the error.
func NewRules(list []Rule) (*Rules, error) {
	r := &Rules{}
	var errs []error
	var keys []dispatcher.Rule
	for _, given := range list {
		routes, err := parseRoutes(given.Targets)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %q: %w", given.Prefix, err))
			continue
		}
		one := rule{given, routes}
		if given.Prefix != "" {
			r.rules = append(r.rules, one)
			keys = append(keys, dispatcher.Rule{Key: given.Prefix, Backend: given.Targets})
			continue
		}
		if r.fallback != nil {
			errs = append(errs, errors.New("two rules have no prefix"))
		}
		r.fallback = &one
	}
	var err error
	r.router, err = dispatcher.NewRouter(keys, dispatcher.Prefix)
	return r, errors.Join(append(errs, err)...)
}

// parseRoutes reads "a,b>c". Several that begin with the same target are one.
func parseRoutes(text string) ([]route, error) {
	var routes []route
	for chain := range strings.SplitSeq(text, ",") {
		first, rest, _ := strings.Cut(chain, ">")
		first, rest = strings.TrimSpace(first), strings.TrimSpace(rest)
		if first == "" || strings.Contains(chain, ">") && rest == "" {
			return nil, fmt.Errorf("%q names no target", chain)
		}
		if rest != "" {
			if _, err := parseRoutes(rest); err != nil {
				return nil, err
			}
		}
		i := slices.IndexFunc(routes, func(r route) bool { return r.target == first })
		switch {
		case i < 0:
			routes = append(routes, route{first, rest})
		case routes[i].followers == "":
			routes[i].followers = rest
		case rest != "":
			routes[i].followers += "," + rest
		}
	}
	return routes, nil
}

// Targets lists the names of all targets of the rules, each once, in order.
func (r *Rules) Targets() []string {
	var names []string
	for _, one := range r.all() {
		for _, name := range strings.FieldsFunc(one.Targets, func(c rune) bool { return c == ',' || c == '>' }) {
			names = append(names, strings.TrimSpace(name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// all lists the rules, that without a prefix last.
func (r *Rules) all() []*rule {
	var list []*rule
	for i := range r.rules {
		list = append(list, &r.rules[i])
	}
	if r.fallback != nil {
		list = append(list, r.fallback)
	}
	return list
}

// of returns the rule of a path, nil for none.
func (r *Rules) of(path string) *rule {
	if i := r.router.Lookup(path); i != dispatcher.DefaultRule {
		return &r.rules[i]
	}
	return r.fallback
}

// Takes reports whether a rule is about a path.
func (r *Rules) Takes(path string) bool { return r.of(path) != nil }

// mentions reports whether the rule of a path names a target.
func (r *Rules) mentions(path, target string) bool {
	one := r.of(path)
	return one != nil && slices.ContainsFunc(strings.FieldsFunc(one.Targets, func(c rune) bool { return c == ',' || c == '>' }),
		func(name string) bool { return strings.TrimSpace(name) == target })
}

// takes reports whether a rule is about changes of a kind and a scope, "" for
// one that is not known. A change of no kind is made by hand, or may be any.
func (r *rule) takes(kind metadata.Kind, scope string) bool {
	return (len(r.Kinds) == 0 || kind == "" || slices.Contains(r.Kinds, kind)) &&
		(len(r.Scopes) == 0 || scope == "" || slices.Contains(r.Scopes, scope))
}

// covering is a rule and the prefix for which it has a part in a family.
type covering struct {
	*rule
	prefix string
}

// covering returns the rules that paths which begin with a prefix may have, up
// to the one that takes all that are left.
func (r *Rules) covering(prefix string) []covering {
	var list []covering
	for _, one := range r.all() {
		switch {
		case strings.HasPrefix(prefix, one.Prefix):
			return append(list, covering{one, prefix})
		case strings.HasPrefix(one.Prefix, prefix):
			list = append(list, covering{one, one.Prefix})
		}
	}
	return list
}
