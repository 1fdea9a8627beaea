package errorpage

import (
	"strconv"
	"strings"
)

// prefersJSON reports whether a client that sent these Accept fields would
// rather have JSON than HTML (RFC 9110 section 12.5.1). In doubt it is HTML.
func prefersJSON(accept []string) bool {
	if len(accept) == 0 {
		return false
	}
	return quality(accept, "application", "json") > quality(accept, "text", "html")
}

// quality returns the weight of a media type: that of the most specific range
// which takes it.
func quality(accept []string, kind, subtype string) float64 {
	best, weight := -1, 0.0
	for _, field := range accept {
		for item := range strings.SplitSeq(field, ",") {
			media, params, _ := strings.Cut(item, ";")
			specific := specificity(strings.ToLower(strings.TrimSpace(media)), kind, subtype)
			if specific > best {
				best, weight = specific, qvalue(params)
			}
		}
	}
	return weight
}

// specificity tells how closely a media range names a type, -1 for not at all.
func specificity(media, kind, subtype string) int {
	switch media {
	case kind + "/" + subtype:
		return 2
	case kind + "/*":
		return 1
	case "*/*":
		return 0
	}
	return -1
}

// qvalue reads the weight among the parameters of a media range (section
// 12.4.2): 1 unless given, 0 where it cannot be read.
func qvalue(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(param), "=")
		if !ok || !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(value, 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
