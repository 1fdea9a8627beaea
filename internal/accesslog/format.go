package accesslog

import (
	"net/http"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendCombined writes `%h - - %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"`.
func appendCombined(b []byte, e *Entry) []byte {
	r := e.Request
	b = appendAddr(b, e.Client)
	b = append(b, " - - ["...)
	b = e.Begin.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = appendEscaped(b, r.Method)
	b = append(b, ' ')
	b = appendEscaped(b, redact(r.RequestURI))
	b = append(b, ' ')
	b = appendEscaped(b, r.Proto)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	b = append(b, ' ')
	if e.Bytes == 0 {
		b = append(b, '-')
	} else {
		b = strconv.AppendInt(b, e.Bytes, 10)
	}
	b = appendHeader(b, r.Header["Referer"])
	b = appendHeader(b, r.Header["User-Agent"])
	return append(b, '\n')
}

func appendAddr(b []byte, addr netip.Addr) []byte {
	if !addr.IsValid() {
		return append(b, '-')
	}
	return addr.AppendTo(b)
}

// appendHeader writes a header in quotes, - where there is none.
func appendHeader(b []byte, values []string) []byte {
	b = append(b, ` "`...)
	if len(values) == 0 {
		b = append(b, '-')
	} else {
		b = appendEscaped(b, redact(values[0]))
	}
	return append(b, '"')
}

const hex = "0123456789abcdef"

// appendEscaped escapes as Apache does: quotes, backslashes, and everything
// that is not a printable ASCII character.
func appendEscaped(b []byte, text string) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ' && c < 0x7f:
			b = append(b, c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\v':
			b = append(b, `\v`...)
		default:
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// appendJSON writes one document.
func appendJSON(b []byte, e *Entry) []byte {
	r := e.Request
	b = append(b, `{"time":"`...)
	b = e.Begin.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, `","client":"`...)
	b = appendAddr(b, e.Client)
	b = append(b, '"')
	for _, field := range [...]struct{ key, value string }{
		{`,"method":`, r.Method}, {`,"host":`, r.Host}, {`,"uri":`, redact(r.RequestURI)}, {`,"protocol":`, r.Proto},
		{`,"referer":`, redact(first(r.Header, "Referer"))}, {`,"user_agent":`, first(r.Header, "User-Agent")},
		{`,"request_id":`, e.RequestID}, {`,"backend":`, e.Backend},
	} {
		b = append(b, field.key...)
		b = appendString(b, field.value)
	}
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	b = append(b, `,"bytes":`...)
	b = strconv.AppendInt(b, e.Bytes, 10)
	b = append(b, `,"seconds":`...)
	b = appendSeconds(b, e.Took)
	b = append(b, `,"first_byte_seconds":`...)
	b = appendSeconds(b, e.FirstByte)
	b = append(b, `,"aborted":`...)
	b = strconv.AppendBool(b, e.Aborted)
	return append(b, "}\n"...)
}

func first(h http.Header, key string) string {
	if values := h[key]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func appendSeconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, d.Seconds(), 'f', 6, 64)
}

// appendString writes a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c == '\u2028', c == '\u2029': // line ends to some readers
			b = append(b, '\\', 'u', '2', '0', '2', hex[c&15])
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return append(b, '"')
}
