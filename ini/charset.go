package ini

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// bom is the byte order mark in UTF-8. It is not taken off: to PHP it makes
// the first line match no rule.
const bom = "\ufeff"

// decode returns text in UTF-8, from the charset that its first line names.
// Text that cannot be decoded is returned as it is, with a warning: no byte is
// lost.
func decode(name, text string) (string, []*LineError) {
	first, _, _ := strings.Cut(text, "\n")
	charset := declaredCharset(first)
	enc, known := lookupCharset(charset)
	if !known {
		return text, []*LineError{{Origin: Origin{File: name, Line: 1},
			Reason: fmt.Sprintf("unknown charset %q; the file is read as UTF-8", charset)}}
	}
	if enc == nil {
		return text, checkUTF8(name, text)
	}
	decoded, err := enc.NewDecoder().String(text)
	if err != nil || !strings.HasPrefix(decoded, first[:strings.Index(first, "#?ini")]+"#?ini") {
		return text, []*LineError{{Origin: Origin{File: name, Line: 1},
			Reason: fmt.Sprintf("the file is not in charset %q, which it names; it is read as UTF-8", charset)}}
	}
	return decoded, nil
}

// declaredCharset finds the name in `#?ini charset="name"?`, "" for none.
func declaredCharset(line string) string {
	_, attributes, ok := strings.Cut(line, "#?ini")
	end := strings.IndexByte(attributes, '?')
	if !ok || end < 0 {
		return ""
	}
	for _, attribute := range strings.Fields(attributes[:end]) {
		if charset, ok := strings.CutPrefix(attribute, "charset="); ok {
			return strings.Trim(charset, `"`)
		}
	}
	return ""
}

// lookupCharset returns the encoding of a name, nil for UTF-8. IANA's meaning
// of a name comes first: the Web's takes ISO 8859-1 for Windows 1252.
func lookupCharset(charset string) (enc encoding.Encoding, known bool) {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return nil, true
	}
	if enc, err := ianaindex.IANA.Encoding(charset); err == nil && enc != nil {
		return enc, true
	}
	enc, err := htmlindex.Get(charset)
	if err == nil && enc == charmap.Windows1252 && !strings.Contains(charset, "1252") {
		enc = charmap.ISO8859_1
	}
	return enc, err == nil
}

// checkUTF8 warns of the first line that is not valid UTF-8.
func checkUTF8(name, text string) []*LineError {
	if utf8.ValidString(text) {
		return nil
	}
	bad, first := 0, 0
	for i, line := range strings.Split(text, "\n") {
		if utf8.ValidString(line) {
			continue
		}
		if bad++; bad == 1 {
			first = i + 1
		}
	}
	reason := "not valid UTF-8; its bytes are kept as they are (name the file's charset in its first line, or convert it)"
	if bad > 1 {
		reason += fmt.Sprintf("; %d more such lines", bad-1)
	}
	return []*LineError{{Origin: Origin{File: name, Line: first}, Reason: reason}}
}
