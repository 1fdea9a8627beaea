// Package gatewaytest holds what a gateway has to answer as two tables of
// requests and responses, and the runner that sends them over TCP, byte for
// byte, to a gateway or to whatever stands in front of one:
//
//	c := ... // a cluster with the settings of gatewaytest.Settings
//	gatewaytest.Populate(t, c)
//	gatewaytest.Run(t, "http://127.0.0.1:8080")
//	gatewaytest.RunHostile(t, "http://127.0.0.1:8080")
//
// conformance.jsonl has one exchange a line, each with the section of the RFC
// that asks for it; hostile.jsonl has requests that try to reach what is not
// served, or to put words into the answer.
package gatewaytest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// Settings are the lines of file.ini that the tables expect.
const Settings = `
[Gateway]
PublicPrefixes[]=var/site/cache/public/
PublicPrefixes[]=var/site/storage/private/open/
PrivatePrefixes[]=var/site/storage/private/
URLSecret=` + Key + `
`

// Key signs URLs of Private.
const Key = "tests-0123456789abcdef"

// Private is a file that only signed URLs reach.
const Private = "var/site/storage/private/p.txt"

// secret is in every file that the hostile table tries to reach.
const secret = "SECRET"

// Case is an exchange of conformance.jsonl.
type Case struct {
	RFC  string `json:"rfc"` // number and section
	Name string `json:"name"`
	// Request is method and target, with a version other than HTTP/1.1 where
	// that matters; then header lines; then an empty line and a body, if any.
	Request []string `json:"request"`
	Status  int      `json:"status"`
	// Header has the value of each field: a text, "/expression/", or "=Date"
	// with perhaps "+seconds". Absent fields are not there.
	Header map[string]string `json:"header"`
	Absent []string          `json:"absent"`
	// Body is the whole body, Slice what part of its file it is, Parts the
	// Content-Range of each part of a multipart body; nil for whatever comes.
	Body  *string  `json:"body"`
	Slice []int    `json:"slice"`
	Parts []string `json:"parts"`
}

// Hostile is a request of hostile.jsonl. It must be refused.
type Hostile struct {
	Name    string   `json:"name"`
	Request []string `json:"request"`
}

//go:embed conformance.jsonl
var conformance []byte

//go:embed hostile.jsonl
var hostile []byte

// Cases returns the table of exchanges.
func Cases() ([]Case, error) { return decode[Case](conformance) }

// HostileRequests returns the table of hostile requests.
func HostileRequests() ([]Hostile, error) { return decode[Hostile](hostile) }

func decode[T any](table []byte) ([]T, error) {
	decoder := json.NewDecoder(bytes.NewReader(table))
	decoder.DisallowUnknownFields()
	var list []T
	for decoder.More() {
		var item T
		if err := decoder.Decode(&item); err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}

const dir = "var/site/storage/gw/"

// file is one that the tables ask for.
type file struct {
	name, datatype, scope, body string
	mtime                       int64  // 1,700,000,000 unless given
	legacy                      string // a datatype that only PHP stores
}

// files lists what the cluster must hold.
func files() []file {
	return []file{
		{name: dir + "ten.txt", datatype: "text/plain", scope: "image", body: "0123456789"},
		{name: dir + "empty.txt", datatype: "text/plain", scope: "image"},
		{name: dir + "big.bin", datatype: "application/octet-stream", scope: "image", body: string(pattern(100_000))},
		{name: dir + "word.dat", datatype: "misc", scope: "image", body: "x"},
		{name: dir + "latin.txt", datatype: "text/plain; charset=iso-8859-1", scope: "image", body: "y"},
		{name: "var/site/other/broken.dat", datatype: "text/plain", scope: "image", body: "z", legacy: "text/plain\r\nX-Injected: yes\r\nSet-Cookie: a=b"},
		{name: dir + "future.txt", datatype: "text/plain", scope: "image", body: "new", mtime: 2_000_000_000},
		{name: dir + "doc.pdf", datatype: "application/pdf", scope: "binaryfile", body: "%PDF"},
		{name: dir + `döc".pdf`, datatype: "application/pdf", scope: "binaryfile", body: "%PDF"},
		{name: dir + "film.swf", datatype: "application/x-shockwave-flash", scope: "mediafile", body: "FWS"},
		{name: dir + "pic.png", datatype: "image/png", scope: "image", body: "\x89PNG"},
		{name: dir + "a b+c%d?eü.txt", datatype: "text/plain", scope: "image", body: "odd"},
		{name: dir + "gone.txt", datatype: "text/plain", scope: "image", body: secret},
		{name: "var/site/cache/secret.php", datatype: "php", scope: "classidentifiers", body: secret},
		{name: "var/site/cache/public/open.txt", datatype: "text/plain", scope: "image", body: "open"},
		{name: "var/site/cache/storage_x/r.txt", datatype: "text/plain", scope: "image", body: "storage"},
		{name: Private, datatype: "text/plain", scope: "binaryfile", body: secret},
		{name: "var/site/storage/private/open/o.txt", datatype: "text/plain", scope: "image", body: "public"},
	}
}

// pattern returns n bytes, no part of which is like another soon.
func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i/251)
	}
	return data
}

// Populate stores the files of the tables in a cluster.
func Populate(t testing.TB, c *cluster.Cluster) {
	t.Helper()
	for _, f := range files() {
		if f.mtime == 0 {
			f.mtime = 1_700_000_000
		}
		row, err := c.Store(t.Context(), f.name, strings.NewReader(f.body), cluster.StoreOptions{
			DataType: f.datatype, Scope: f.scope, ModTime: time.Unix(f.mtime, 0),
		})
		if err == nil && f.legacy != "" {
			row.DataType = f.legacy
			err = c.Metadata().Update(t.Context(), func(tx *metadata.Tx) error { return tx.Upsert(row) })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n, err := c.Expire(t.Context(), dir+"gone.txt"); n != 1 || err != nil {
		t.Fatalf("expired %d files: %v", n, err)
	}
	publish(t, c, dir+"stray.txt")
	// The lock of a generation as PHP keeps it: a live row and what it has
	// written so far.
	const lock = dir + "half.png.generating"
	publish(t, c, lock)
	err := c.Metadata().Update(t.Context(), func(tx *metadata.Tx) error {
		return tx.Upsert(metadata.Row{Name: lock, Trunk: lock, DataType: "image/png", Scope: "image", Size: int64(len(secret)), MTime: 1_700_000_000})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// publish stores a body without a row.
func publish(t testing.TB, c *cluster.Cluster, path string) {
	t.Helper()
	staged, err := c.Stores().Stage(t.Context(), path, strings.NewReader(secret), backends.Attributes{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
}
