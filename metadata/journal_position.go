package metadata

import (
	"fmt"
	"strings"
)

// maxGaps bounds the runs of a position. A reader that has so many open gaps
// goes no further until some are settled, so that a position stays short.
const maxGaps = 1000

// JournalPosition is a place in the journal: the identifier that comes next,
// and those below it that were not there yet and may still appear, because a
// transaction that has them is open. The zero value is the beginning.
type JournalPosition struct {
	next uint64 // 0 means 1
	gaps gapSet
}

// ParseJournalPosition reads what String wrote.
func ParseJournalPosition(text string) (p JournalPosition, err error) {
	next, gaps, open := strings.Cut(text, ";")
	if p.next, err = parseID(next); err != nil {
		return JournalPosition{}, err
	}
	if p.next == 0 {
		return JournalPosition{}, fmt.Errorf("%q is no number of an entry", next)
	}
	if !open {
		return p, nil
	}
	if p.gaps, err = parseGaps(gaps); err != nil {
		return JournalPosition{}, err
	}
	if last := p.gaps[len(p.gaps)-1]; last.hi() >= p.next-1 { // the entry before next was seen
		return JournalPosition{}, fmt.Errorf("%q is not below %d", gaps, p.next-1)
	}
	return p, nil
}

// String is the position as text that may be kept: "1234", or with open gaps
// "1234;1201-1203,1210".
func (p JournalPosition) String() string {
	text := fmt.Sprint(max(p.next, 1))
	if len(p.gaps) > 0 {
		text += ";" + p.gaps.String()
	}
	return text
}
