package cdntest

import (
	"fmt"
	"strings"
	"testing"

	"example.com/ezdfs/cdn"
)

func path(n int) string { return fmt.Sprintf("var/site/storage/images/%d/%d.png", n%97, n) }

// oddPaths: blanks, what URLs, JSON, XML, headers and regular expressions mean
// something by, other scripts, and the longest names.
var oddPaths = []string{
	"var/site/storage/a b.png",
	"var/site/storage/a+b=c&d;e,f@g:h!i$j.png",
	"var/site/storage/100%.png",
	"var/site/storage/%41%2F%zz.png",
	"var/site/storage/Grün/Ærø/日本.png",
	`var/site/storage/"quoted" and 'so'.png`,
	`var/site/storage/^a.*(b|c)[d-e]{2}\w?$.png`,
	"var/site/storage/a?b#c.png",
	"var/site/storage/<a>&amp;]]>.png",
	"var/site/storage/~user/`x`.png",
	"var/site/storage/tab\tand\r\nline.png",
	"var/site/storage/..a/...",
	"var/site/storage/" + strings.Repeat("n", 1024-len("var/site/storage/")),
	"var/site/storage/" + strings.Repeat("ü", (1024-len("var/site/storage/"))/2),
}

// families are items of every extent but Path.
var families = []cdn.Item{
	Item(cdn.Prefix, "var/site/storage/images/"),
	Item(cdn.Prefix, "var/site/storage/imag"),
	Item(cdn.Prefix, "var/site/storage/Grün (1.5) [a|b]*/"),
	Item(cdn.Trunk, "var/site/cache/content/2-"),
	Item(cdn.Scope, "viewcache"),
	Item(cdn.All, ""),
}

// taken returns those of items that a target takes in one go.
func taken(limits cdn.Limits, items []cdn.Item) (yes, no []cdn.Item) {
	for _, item := range items {
		if takes(limits, item) {
			yes = append(yes, item)
		} else {
			no = append(no, item)
		}
	}
	return yes, no
}

// batch makes the first n items of a harness.
func (h Harness) batch(t *testing.T, n int) []cdn.Item {
	items := make([]cdn.Item, n)
	for i := range items {
		items[i] = h.Item(t, i)
	}
	return items
}

// most is how many items a batch of the target may have, 300 where it has no
// limit of its own.
func most(limits cdn.Limits) int {
	n := limits.Items
	if n == 0 || n > 10_000 {
		n = 300
	}
	return n
}
