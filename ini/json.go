package ini

import (
	"bytes"
	"encoding/json"
)

// MarshalJSON writes the document as `dfsctl ini dump` shows it:
//
//	{"Group": {"Key": "v", "List": {"array": [[0, "v"], ["sub", "w"]]}}}
//
// in the document's order, integer keys as numbers, nothing escaped for HTML
// (json.Marshal itself escapes again; call this method, or an Encoder with
// SetEscapeHTML(false)). JSON cannot hold bytes that are not UTF-8: they
// become U+FFFD.
func (d *Document) MarshalJSON() ([]byte, error) {
	var w jsonWriter
	w.list('{', '}', d.Groups(), func(group string) {
		w.value(group)
		w.WriteByte(':')
		w.list('{', '}', d.Keys(group), func(key string) {
			w.value(key)
			w.WriteByte(':')
			w.setting(d, group, key)
		})
	})
	return w.Bytes(), w.err
}

// jsonWriter writes JSON whose order matters.
type jsonWriter struct {
	bytes.Buffer
	err error
}

func (w *jsonWriter) setting(d *Document, group, key string) {
	entries, ok := d.Array(group, key)
	if !ok {
		scalar, _ := d.Value(group, key)
		w.value(scalar)
		return
	}
	w.WriteString(`{"array":[`)
	for i, entry := range entries {
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteByte('[')
		if index, ok := entry.Index(); ok {
			w.value(index)
		} else {
			w.value(entry.Key)
		}
		w.WriteByte(',')
		w.value(entry.Value)
		w.WriteByte(']')
	}
	w.WriteString("]}")
}

func (w *jsonWriter) list(open, end byte, names []string, each func(string)) {
	w.WriteByte(open)
	for i, name := range names {
		if i > 0 {
			w.WriteByte(',')
		}
		each(name)
	}
	w.WriteByte(end)
}

func (w *jsonWriter) value(v any) {
	enc := json.NewEncoder(&w.Buffer)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil && w.err == nil {
		w.err = err
	}
	w.Truncate(w.Len() - 1) // the encoder's line feed
}
