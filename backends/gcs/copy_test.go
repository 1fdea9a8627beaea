package gcs

import (
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

// TestCopyKeepsAttributes: what a foreign tool has set on the source stays.
func TestCopyKeepsAttributes(t *testing.T) {
	b := newBackend(t, startService(t).config(t))
	w := b.bucket.Object("src").NewWriter(t.Context())
	w.ContentType, w.CacheControl, w.ContentLanguage, w.ContentDisposition = "text/css", "no-store", "de", "inline"
	w.Metadata = map[string]string{"owner": "x"}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	src, err := b.Stat(t.Context(), "src")
	if err != nil {
		t.Fatal(err)
	}
	if err := backends.Copy(t.Context(), b, "src", "dst"); err != nil {
		t.Fatal(err)
	}
	got, err := b.object("dst").Attrs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.ContentType != "text/css" || got.CacheControl != "no-store" || got.ContentLanguage != "de" ||
		got.ContentDisposition != "inline" || got.Metadata["owner"] != "x" {
		t.Errorf("the copy has %+v", got)
	}
	if info := infoOf("dst", got); !info.ModTime.Equal(src.ModTime) {
		t.Errorf("the copy is of %v, the source of %v", info.ModTime, src.ModTime)
	}
}

// TestCopyConditions: the copy asks for the generation that was described, and
// a refusal says that it is gone.
func TestCopyConditions(t *testing.T) {
	for _, status := range []int{404, 412} {
		w := new(wire)
		b := newBackend(t, startService(t).config(t), w.option())
		put(t, b, "src", []byte("x"), backends.Attributes{Size: 1})
		staged, info, err := b.StageCopy(t.Context(), "src", "dst")
		if err != nil {
			t.Fatal(err)
		}
		w.reset(func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if n > 1 {
				return next.RoundTrip(r)
			}
			q := r.URL.Query()
			if q.Get("sourceGeneration") != info.Version || q.Get("ifSourceGenerationMatch") != info.Version {
				t.Errorf("the copy is not bound to generation %s: %s", info.Version, r.URL)
			}
			return answer(r, status, `{"error":{"code":404}}`)
		})
		if err := staged.Publish(t.Context()); !errors.Is(err, backends.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after %d: %v, want ErrChanged", status, err)
		}
	}
}

// TestCopyBucketGone: a bucket that vanished is not a source that changed.
func TestCopyBucketGone(t *testing.T) {
	s := startService(t)
	b := newBackend(t, s.config(t))
	put(t, b, "src", []byte("x"), backends.Attributes{Size: 1})
	staged, _, err := b.StageCopy(t.Context(), "src", "dst")
	if err != nil {
		t.Fatal(err)
	}
	s.bucketGone.Store(true)
	if err := staged.Publish(t.Context()); !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, backends.ErrChanged) {
		t.Errorf("Publish: %v, want ErrUnavailable", err)
	}
}

// TestListSkips what is no body: directories that consoles make, temporary
// names, and what lies outside the prefix.
func TestListSkips(t *testing.T) {
	cfg := startService(t).config(t)
	cfg.Prefix = "site/"
	b := newBackend(t, cfg)
	for _, name := range []string{"site/", "site/a/", "site/a/b", "site/a//c", "site/a/ezfile-tmp.0123", "site/../x", "sites", "other", "site/z"} {
		if err := b.bucket.Object(name).NewWriter(t.Context()).Close(); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for info, err := range b.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, info.Path)
	}
	if want := []string{"a/b", "z"}; !slices.Equal(got, want) {
		t.Errorf("List = %q, want %q", got, want)
	}
}

func TestListAsksForLittle(t *testing.T) {
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	put(t, b, "a/b", []byte("x"), backends.Attributes{Size: 1, ModTime: time.Unix(7, 0)})
	w.reset(nil)
	for info, err := range b.List(t.Context(), "a/\xc3", "a/\xc3\xff") {
		t.Errorf("List of a prefix within a character: %+v, %v", info, err)
	}
	q := w.requests[0].URL.Query()
	if q.Get("prefix") != "a/" || q.Get("startOffset") != "a/" || q.Get("projection") != "noAcl" || q.Get("fields") == "" {
		t.Errorf("List asks %v", q)
	}
}
