package cluster

import (
	"bytes"
	"io"
	"mime"
	"path"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

// sniffLength is how much of a body its type is told from.
const sniffLength = 3072

// DetectType tells the MIME type of a body from its first bytes, and from the
// name's extension where they show nothing but text or bytes. It returns the
// type without parameters and a reader of the whole body.
func DetectType(name string, body io.Reader) (string, io.Reader, error) {
	head := make([]byte, sniffLength)
	n, err := io.ReadFull(body, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return "", nil, err
	}
	head = head[:n]
	// A body that can be read again stays one: stores retry with it. A pipe is
	// a Seeker too, one that cannot seek.
	if seeker, ok := body.(io.Seeker); ok {
		if _, err := seeker.Seek(int64(-n), io.SeekCurrent); err == nil {
			return typeOf(name, head), body, nil
		}
	}
	return typeOf(name, head), io.MultiReader(bytes.NewReader(head), body), nil
}

func typeOf(name string, head []byte) string {
	detected := withoutParameters(mimetype.Detect(head).String())
	if detected != "text/plain" && detected != "application/octet-stream" {
		return detected
	}
	if byName := namedTypes[strings.ToLower(path.Ext(name))]; byName != "" {
		return byName
	}
	return detected
}

func withoutParameters(contentType string) string {
	if mediaType, _, err := mime.ParseMediaType(contentType); err == nil {
		return mediaType
	}
	return contentType
}

// namedTypes are the types that contents do not show. They are written down
// here rather than taken from the host's files, so that every host stores the
// same type.
var namedTypes = map[string]string{
	".css":  "text/css",
	".csv":  "text/csv",
	".htm":  "text/html",
	".html": "text/html",
	".js":   "text/javascript",
	".json": "application/json",
	".md":   "text/markdown",
	".php":  "application/x-httpd-php",
	".svg":  "image/svg+xml",
	".txt":  "text/plain",
	".xml":  "text/xml",
}
