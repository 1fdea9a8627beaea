package dispatcher

import (
	"fmt"
	"slices"
	"strings"
)

// Matching is how a rule's key is held against a path.
type Matching int

const (
	// Prefix: the path begins with the key, as the legacy extension documents
	// it. A string prefix, not a directory prefix (contract section 4).
	Prefix Matching = iota
	// Contains: the key stands anywhere in the path, as the legacy code does.
	Contains
)

// Rule sends the paths that its key matches to a backend.
type Rule struct {
	Key     string
	Backend string
}

// DefaultRule is the index Router.Lookup returns when no rule matches.
const DefaultRule = -1

// Router finds the first rule that matches a path. It is immutable, so any
// number of goroutines may use it, and a lookup allocates nothing.
type Router struct {
	rules  []Rule
	lookup func(path string) int
}

// NewRouter builds a router over ordered rules. An empty key is an error: it
// would take every path, which is what the default backend is for.
func NewRouter(rules []Rule, matching Matching) (*Router, error) {
	for i, rule := range rules {
		if rule.Key == "" {
			return nil, fmt.Errorf("dispatcher: rule %d for backend %q has an empty key; use the default backend instead", i+1, rule.Backend)
		}
	}
	r := &Router{rules: slices.Clone(rules)}
	switch matching {
	case Prefix:
		r.lookup = newPrefixIndex(r.rules).lookup
	case Contains:
		r.lookup = newContainsIndex(r.rules).lookup
	default:
		return nil, fmt.Errorf("dispatcher: unknown matching %d", matching)
	}
	return r, nil
}

// Lookup returns the index of the first rule that matches path, or
// DefaultRule.
func (r *Router) Lookup(path string) int { return r.lookup(path) }

// prefixIndex answers by binary search. Rules that an earlier, shorter or
// equal key shadows are left out; among the rest a longer key always stands
// before the shorter keys it begins with, so the longest match is the first.
type prefixIndex struct {
	keys   []string // sorted
	rule   []int    // of each key
	parent []int    // the longest other key that begins this key, or -1
}

func newPrefixIndex(rules []Rule) *prefixIndex {
	order := make([]int, len(rules))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(rules[a].Key, rules[b].Key) })

	x := &prefixIndex{}
	for _, i := range order {
		parent := len(x.keys) - 1
		for parent >= 0 && !strings.HasPrefix(rules[i].Key, x.keys[parent]) {
			parent = x.parent[parent]
		}
		if parent >= 0 && x.rule[parent] < i {
			continue
		}
		x.keys = append(x.keys, rules[i].Key)
		x.rule = append(x.rule, i)
		x.parent = append(x.parent, parent)
	}
	return x
}

func (x *prefixIndex) lookup(path string) int {
	// Every key that begins path is the greatest key not above path, or one of
	// that key's parents.
	low, high := 0, len(x.keys)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if x.keys[middle] <= path {
			low = middle + 1
		} else {
			high = middle
		}
	}
	for i := low - 1; i >= 0; i = x.parent[i] {
		if strings.HasPrefix(path, x.keys[i]) {
			return x.rule[i]
		}
	}
	return DefaultRule
}
