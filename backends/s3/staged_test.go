package s3

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

// leftovers returns the uploads below a prefix.
func leftovers(tb testing.TB, b *Backend, prefix string) (list []backends.Leftover) {
	tb.Helper()
	for l, err := range b.ListStaged(tb.Context(), prefix) {
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b backends.Leftover) int { return strings.Compare(a.Path, b.Path) })
	return list
}

func TestListAndDropStaged(t *testing.T) {
	for _, prefix := range []string{"", "a prefix+/"} {
		set := testSettings(t)
		set.Prefix = prefix
		b := newBackend(t, set)
		names := []string{"var/a/large", "var/b/large & odd+\u00e9"}
		for _, name := range names {
			// Never published: its writer died.
			if _, err := b.Stage(t.Context(), name, bytes.NewReader(random(5<<20+1)), backends.Attributes{Size: -1}); err != nil {
				t.Fatal(err)
			}
		}
		list := leftovers(t, b, "var/")
		if len(list) != 2 || list[0].Path != names[0] || list[1].Path != names[1] {
			t.Fatalf("with prefix %q: %+v", prefix, list)
		}
		for _, l := range list {
			if l.Size != 5<<20+1 || l.ID == "" || time.Since(l.Active).Abs() > time.Hour {
				t.Errorf("with prefix %q: %+v", prefix, l)
			}
		}
		if below := leftovers(t, b, "var/b"); len(below) != 1 || below[0].Path != names[1] {
			t.Errorf("below var/b: %+v", below)
		}
		for range 2 { // what is gone is gone
			if err := b.DropStaged(t.Context(), list[0]); err != nil {
				t.Error(err)
			}
		}
		if left := leftovers(t, b, ""); len(left) != 1 || left[0].ID != list[1].ID {
			t.Errorf("left: %+v", left)
		}
	}
}

// Under the policy of the legacy's guide the uploads cannot be listed, which is
// no reason to call the store unavailable.
func TestListStagedWithoutPermission(t *testing.T) {
	b := newBackend(t, restricted(t, testSettings(t)))
	var last error
	for _, err := range b.ListStaged(t.Context(), "") {
		last = err
	}
	if !errors.Is(last, fs.ErrPermission) || !strings.Contains(last.Error(), "grant s3:ListBucketMultipartUploads") {
		t.Errorf("ListStaged = %v, want fs.ErrPermission", last)
	}
	err := b.DropStaged(t.Context(), backends.Leftover{Path: "a", ID: "1"})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "grant s3:AbortMultipartUpload") {
		t.Errorf("DropStaged = %v, want fs.ErrPermission", err)
	}
}

// TestStagedWhoseAgeNobodyTells marks an upload as unsure whose parts we may not
// list, so that nobody takes one for dead that is being written. One that ended
// in between is not, and a store that does not answer says nothing at all.
func TestStagedWhoseAgeNobodyTells(t *testing.T) {
	const uploads = `<ListMultipartUploadsResult><Upload><Key>var/a</Key><UploadId>1</UploadId>` +
		`<Initiated>2026-01-02T03:04:05Z</Initiated></Upload></ListMultipartUploadsResult>`
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		status int
		code   string
		unsure bool
		fails  bool
	}{
		{403, "AccessDenied", true, false},
		{403, "", true, false},
		{404, "NoSuchUpload", false, false},
		{404, "NoSuchKey", true, false},
		{503, "SlowDown", false, true},
		{200, "", false, false},
	} {
		b := stub(t, func(req *http.Request) (*http.Response, error) {
			switch query := req.URL.Query(); {
			case query.Has("uploads"):
				return answer(req, 200, uploads), nil
			case query.Get("uploadId") == "1" && test.status == 200:
				return answer(req, 200, `<ListPartsResult><Part><PartNumber>1</PartNumber><Size>7</Size>`+
					`<LastModified>2026-01-02T04:04:05.5Z</LastModified></Part></ListPartsResult>`), nil
			case query.Get("uploadId") == "1":
				return refuse(req, test.status, test.code), nil
			}
			return answer(req, 200, "<ListBucketResult></ListBucketResult>"), nil
		})
		told := 0
		for l, err := range b.ListStaged(t.Context(), "") {
			told++
			active, size := begun, int64(0)
			if test.status == 200 {
				active, size = begun.Add(time.Hour), 7
			}
			switch {
			case test.fails:
				if !errors.Is(err, backends.ErrUnavailable) {
					t.Errorf("%d %s: %v, want ErrUnavailable", test.status, test.code, err)
				}
			case err != nil || l.Unsure != test.unsure || !l.Active.Equal(active) || l.Size != size:
				t.Errorf("%d %s: %+v, %v", test.status, test.code, l, err)
			}
		}
		if told != 1 {
			t.Errorf("%d %s: told of %d uploads", test.status, test.code, told)
		}
	}
}

func TestListStagedOfMissingBucket(t *testing.T) {
	set := testSettings(t)
	set.Bucket = "no-such-bucket"
	b := newBackend(t, set)
	var last error
	for _, err := range b.ListStaged(t.Context(), "") {
		last = err
	}
	if !errors.Is(last, backends.ErrUnavailable) {
		t.Errorf("ListStaged = %v, want ErrUnavailable", last)
	}
}
