package gateway

import (
	"mime"
	"path"
	"strings"

	"example.com/ezdfs/metadata"
)

// disposition returns the Content-Disposition of a file, "" for none. A type
// that is listed gets what is said there; a download of another type is an
// attachment, as [PassThroughSettings] of the legacy's file.ini has it.
// Images, which pages embed, never had the header.
func (h *Handler) disposition(row metadata.Row) string {
	if h.o.Disposition == nil {
		return ""
	}
	media, _, _ := strings.Cut(row.DataType, ";")
	kind := h.o.Disposition[strings.ToLower(strings.TrimSpace(media))]
	if kind == "" && (row.Scope == "binaryfile" || row.Scope == "mediafile") {
		kind = "attachment"
	}
	if kind == "" {
		return ""
	}
	return mime.FormatMediaType(kind, map[string]string{"filename": path.Base(row.Name)})
}
