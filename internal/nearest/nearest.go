// Package nearest finds the name that a misspelt one stands for.
package nearest

import "strings"

// Name returns the known name that word most probably stands for: equal but
// for case, or at most so many slips away, fewer in a short word.
func Name(word string, known []string, slips int) (string, bool) {
	best, limit := "", min(slips, len(word)/4)
	for _, name := range known {
		if strings.EqualFold(word, name) {
			return name, true
		}
		if d := distance(word, name); d <= limit {
			best, limit = name, d-1
		}
	}
	return best, best != ""
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			replace := last[j]
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(replace, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
