package cluster

import (
	"bytes"
	"cmp"
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

// kept returns the type that a store keeps with a body, "" for those that
// stores make up where none was given.
func kept(contentType string) string {
	switch contentType {
	case "application/octet-stream", "binary/octet-stream":
		return ""
	}
	return contentType
}

// typeByName tells the type of a body whose contents nobody has looked at.
func typeByName(name string) string {
	extension := strings.ToLower(path.Ext(name))
	return cmp.Or(namedTypes[extension], shownTypes[extension], "application/octet-stream")
}

// shownTypes are types that contents show, by extension.
var shownTypes = map[string]string{
	".avi":  "video/x-msvideo",
	".avif": "image/avif",
	".bmp":  "image/bmp",
	".doc":  "application/msword",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".eps":  "application/postscript",
	".gif":  "image/gif",
	".gz":   "application/gzip",
	".ico":  "image/x-icon",
	".jpeg": "image/jpeg",
	".jpg":  "image/jpeg",
	".mov":  "video/quicktime",
	".mp3":  "audio/mpeg",
	".mp4":  "video/mp4",
	".odt":  "application/vnd.oasis.opendocument.text",
	".ogg":  "audio/ogg",
	".pdf":  "application/pdf",
	".png":  "image/png",
	".ppt":  "application/vnd.ms-powerpoint",
	".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".rar":  "application/x-rar-compressed",
	".rtf":  "text/rtf",
	".swf":  "application/x-shockwave-flash",
	".tif":  "image/tiff",
	".tiff": "image/tiff",
	".wav":  "audio/wav",
	".webm": "video/webm",
	".webp": "image/webp",
	".xls":  "application/vnd.ms-excel",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".zip":  "application/zip",
}
