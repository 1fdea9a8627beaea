package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/internal/signed"
)

// message is the body of a request.
type message struct {
	Host   string           `json:"host"`
	Time   time.Time        `json:"time"`
	Events []map[string]any `json:"events"`
}

// encode returns the body for a batch, nil where nothing in it is sent.
func encode(host string, now time.Time, batch []events.Event) ([]byte, error) {
	m := message{Host: host, Time: now.UTC()}
	for _, e := range batch {
		if e.Kind == events.StoreMetadata {
			continue
		}
		fields := map[string]any{"event": e.LegacyName(), "seq": e.Seq, "time": e.Time.UTC()}
		for _, arg := range e.Arguments() {
			fields[arg.Name] = arg.Value
		}
		m.Events = append(m.Events, fields)
	}
	if len(m.Events) == 0 {
		return nil, nil
	}
	return json.Marshal(m)
}

// idempotencyKey is the same for the same events of the same process only, so
// that a receiver can tell a repeated request.
func idempotencyKey(host string, batch []events.Event) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", host)
	for _, e := range batch {
		if e.Kind != events.StoreMetadata {
			fmt.Fprintf(h, " %d %d %q %q %d", e.Seq, e.Time.UnixNano(), e.Kind, e.Subject, e.Count)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ErrSignature is wrapped by the errors of [Verify].
var ErrSignature = signed.ErrSignature

// Verify tells a receiver written in Go whether a request was signed with a
// secret, at most maxAge before or after now. An error wraps [ErrSignature].
func Verify(secret string, header http.Header, body []byte, now time.Time, maxAge time.Duration) error {
	return signed.Verify(secret, header, body, now, maxAge)
}
