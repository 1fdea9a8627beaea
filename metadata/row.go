package metadata

import (
	"crypto/md5"
	"encoding/hex"
	"time"
)

// Row is one file of the cluster as its table describes it (contract
// section 1). Rows are values: read, changed and written back.
type Row struct {
	// Name is the path relative to the site root, clean by [CleanName].
	Name string
	// Trunk is the common part that expires a family of files at once; see
	// [Layout.Trunk].
	Trunk string
	// DataType is the MIME type, or a free word such as "misc".
	DataType string
	// Scope is the file category: "image", "viewcache".
	Scope string
	// Size is in bytes.
	Size int64
	// MTime is Unix seconds; negative once the row is expired.
	MTime int64
	// Expired is the flag of the same name.
	Expired bool
	// Table is where the row was found. In a row that is to be written it says
	// where; empty means the table of the [Layout].
	Table string
}

// Hash returns the primary key of the row.
func (r Row) Hash() string { return Hash(r.Name) }

// Live reports whether the file exists: neither flagged as expired nor with a
// negative mtime. An expired row still describes its body.
func (r Row) Live() bool { return !r.Expired && r.MTime >= 0 }

// ModTime is the time of the file's last change, whether or not it has expired
// since.
func (r Row) ModTime() time.Time { return time.Unix(max(r.MTime, -r.MTime), 0) }

// Hash returns the name_hash of a name: the MD5 of its bytes in lower-case
// hexadecimal.
func Hash(name string) string {
	sum := md5.Sum([]byte(name))
	return hex.EncodeToString(sum[:])
}
