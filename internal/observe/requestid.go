package observe

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
)

// maxRequestID is how long the ID of a proxy may be.
const maxRequestID = 128

// requestID returns the ID that a trusted proxy gave, if that is one, else a
// new one.
func requestID(r *http.Request, trusted bool) string {
	if given := r.Header["X-Request-Id"]; trusted && len(given) == 1 && isSane(given[0]) {
		return given[0]
	}
	var raw [16]byte
	binary.LittleEndian.PutUint64(raw[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(raw[8:], rand.Uint64())
	var text [32]byte
	hex.Encode(text[:], raw[:])
	return string(text[:])
}

// isSane reports whether text can stand in a header and a log as it is.
func isSane(text string) bool {
	if len(text) == 0 || len(text) > maxRequestID {
		return false
	}
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '=', c == '+', c == '/', c == '@':
		default:
			return false
		}
	}
	return true
}
