// Package batch sorts the items of a batch into the calls of an API that takes
// many objects at once, and finds those at fault where it takes all or none.
package batch

import (
	"errors"

	"example.com/ezdfs/cdn"
)

// Part is what one item is to a service: the objects that it is told of.
type Part struct {
	Item    int // its place in the batch
	Objects []string
}

// Chunks splits parts so that none has more than most objects, except for a
// single part that has more.
func Chunks(parts []Part, most int) [][]Part {
	var list [][]Part
	count := 0
	for _, p := range parts {
		if len(list) == 0 || count+len(p.Objects) > most {
			list = append(list, nil)
			count = 0
		}
		last := len(list) - 1
		list[last] = append(list[last], p)
		count += len(p.Objects)
	}
	return list
}

// Objects lists the objects of parts, each once.
func Objects(parts []Part) []string {
	list := []string{}
	seen := map[string]bool{}
	for _, p := range parts {
		for _, object := range p.Objects {
			if !seen[object] {
				seen[object] = true
				list = append(list, object)
			}
		}
	}
	return list
}

// Set gives the items of parts an error, or nil.
func Set(errs []error, parts []Part, err error) {
	for _, p := range parts {
		errs[p.Item] = err
	}
}

// maxCalls bounds the calls of one Send: enough to find a few bad objects among
// a thousand.
const maxCalls = 40

// Send sends parts in one call and sets the errors of their items. Where the
// call is refused for what is in it, by the judgement of content, each half is
// sent again by itself, down to the parts at fault. Parts that are left after
// too many calls are to be tried another time.
func Send(errs []error, parts []Part, send func([]Part) error, content func(*cdn.Error) bool) {
	calls := maxCalls
	var half func(parts []Part, whole *cdn.Error)
	half = func(parts []Part, whole *cdn.Error) {
		if calls == 0 {
			Set(errs, parts, &cdn.Error{Target: whole.Target, Kind: cdn.ErrUnavailable, Status: whole.Status,
				Reason: "not tried by itself, as too many were refused: " + whole.Reason})
			return
		}
		calls--
		err := send(parts)
		var e *cdn.Error
		if len(parts) == 1 || !errors.As(err, &e) || e.Kind != cdn.ErrRefused || !content(e) {
			Set(errs, parts, err)
			return
		}
		half(parts[:len(parts)/2], e)
		half(parts[len(parts)/2:], e)
	}
	half(parts, nil)
}
