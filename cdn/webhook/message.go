package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/httpcall"
)

// message is the body of a request.
type message struct {
	Target string    `json:"target"`
	Host   string    `json:"host,omitempty"`
	Time   time.Time `json:"time"`
	Test   bool      `json:"test,omitempty"`
	Items  []item    `json:"items"`
}

type item struct {
	ID      string `json:"id"`
	Action  string `json:"action"`
	Extent  string `json:"extent"`
	Subject string `json:"subject"`
	Row     *row   `json:"row,omitempty"`
}

type row struct {
	Trunk    string `json:"trunk,omitempty"`
	Scope    string `json:"scope,omitempty"`
	DataType string `json:"datatype,omitempty"`
	Size     int64  `json:"size"`
	MTime    int64  `json:"mtime"`
	Live     bool   `json:"live"`
}

// message makes the body for a batch, with an empty list for none.
func (t *Target) message(batch []cdn.Item) message {
	m := message{Target: t.cfg.Name, Host: t.o.host, Time: t.o.now().UTC(), Items: []item{}}
	for _, i := range batch {
		next := item{ID: i.ID, Action: string(i.Action), Extent: string(i.Extent), Subject: i.Subject}
		if r := i.Row; r.Trunk != "" {
			next.Row = &row{r.Trunk, r.Scope, r.DataType, r.Size, r.ModTime().Unix(), r.Live()}
		}
		m.Items = append(m.Items, next)
	}
	return m
}

func (m message) encode() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(m)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// key is the same for the same items, whenever and by whomever they are sent.
func (m message) key() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", m.Target)
	for _, i := range m.Items {
		fmt.Fprintf(h, " %q %q %q %q", i.ID, i.Action, i.Extent, i.Subject)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// result is what a receiver says of one item.
type result struct {
	ID         string  `json:"id"`
	Status     string  `json:"status"`
	Reason     string  `json:"reason"`
	RetryAfter float64 `json:"retry_after"` // seconds
}

// partial sets the errors of those items that a receiver names as not taken.
// An answer that says nothing of items takes all of them; what it says of an
// item in words that are not ours has the item sent again.
func (t *Target) partial(answer *httpcall.Answer, places map[string][]int, errs []error) {
	var results struct{ Results []result }
	if json.Unmarshal(answer.Body, &results) != nil {
		return
	}
	for _, r := range results.Results {
		var err error
		switch r.Status {
		case "delivered":
		case "refused":
			err = t.client.Refused(r.Reason)
		default:
			err = t.client.Again(r.Reason, httpcall.Wait(r.RetryAfter))
		}
		for _, i := range places[r.ID] {
			errs[i] = err
		}
	}
}
