package testservice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// do sends a request to the stand-in and returns the status, the header and
// the answer.
func do(t *testing.T, method, url, body string, header map[string]string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range header {
		r.Header.Set(key, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(answer)
}

func crcHeader(body string) string {
	return "crc32c=" + CRC32C(crc32.Checksum([]byte(body), castagnoli))
}

// TestGCSSinkResumable holds each request of a resumable upload against what
// the service would say.
func TestGCSSinkResumable(t *testing.T) {
	q := strings.Repeat("q", gcsQuantum)
	whole := q + q + "tail"
	type step struct {
		span, body, hash string
		status, more     int
	}
	for name, steps := range map[string][]step{
		"in order":        {{"0-262143/*", q, "", 200, 1}, {"262144-524287/*", q, "", 200, 1}, {"524288-524291/524292", "tail", crcHeader(whole), 200, 0}},
		"end alone":       {{"0-524287/*", q + q, "", 200, 1}, {"*/524288", "", crcHeader(q + q), 200, 0}},
		"resent":          {{"0-262143/*", q, "", 200, 1}, {"0-262143/*", q, "", 200, 1}, {"0-524287/*", q + q, "", 200, 1}, {"*/524288", "", crcHeader(q + q), 200, 0}, {"*/524288", "", "", 200, 0}},
		"gap":             {{"262144-524287/*", q, "", 400, 0}},
		"short":           {{"0-262143/*", q[1:], "", 400, 0}},
		"odd chunk":       {{"0-99/*", q[:100], "", 400, 0}},
		"wrong total":     {{"0-262143/*", q, "", 200, 1}, {"*/262145", "", "", 400, 0}},
		"wrong checksum":  {{"0-3/4", "tail", crcHeader("fail"), 400, 0}},
		"no range":        {{"", "tail", "", 400, 0}},
		"range backwards": {{"9-3/20", "tail", "", 400, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := StartGCSSink(t)
			_, header, _ := do(t, "POST", s.URL+"/upload/storage/v1/b/b/o?uploadType=resumable&name=a%2Fb", "", map[string]string{"X-Upload-Content-Type": "image/png"})
			location := header.Get("Location")
			var last step
			for i, step := range steps {
				status, header, answer := do(t, "PUT", location, step.body, map[string]string{"Content-Range": "bytes " + step.span, "X-Goog-Hash": step.hash})
				if more := header.Get("X-Http-Status-Code-Override") == "308"; status != step.status || more != (step.more == 1) {
					t.Fatalf("request %d: %d, more %t: %s", i, status, more, answer)
				}
				last = step
			}
			object, ok := s.Object("b", "a/b")
			if done := last.status == 200 && last.more == 0; ok != done || (s.Unfinished() == 0) != done {
				t.Errorf("object %+v, %t, %d unfinished", object, ok, s.Unfinished())
			}
			if ok && (object.ContentType != "image/png" || object.Size < gcsQuantum) {
				t.Errorf("object %+v", object)
			}
		})
	}
}

func TestGCSSinkMultipart(t *testing.T) {
	const form = "--x\r\nContent-Type: application/json\r\n\r\n{\"name\":\"a\",\"metadata\":{\"mtime\":\"7\"},\"crc32c\":%q}\r\n--x\r\nContent-Type: text/css\r\n\r\nbody\r\n--x--\r\n"
	s := StartGCSSink(t)
	for crc, want := range map[string]int{crcHeader("body")[7:]: 200, crcHeader("other")[7:]: 400} {
		status, _, answer := do(t, "POST", s.URL+"/upload/storage/v1/b/b/o?uploadType=multipart", fmt.Sprintf(form, crc), map[string]string{"Content-Type": "multipart/related; boundary=x"})
		if status != want {
			t.Errorf("checksum %s: %d %s, want %d", crc, status, answer, want)
		}
	}
	if o, _ := s.Object("b", "a"); o.Size != 4 || o.ContentType != "text/css" || o.Metadata["mtime"] != "7" {
		t.Errorf("object %+v", o)
	}
}

func TestGCSSinkObjects(t *testing.T) {
	s := StartGCSSink(t)
	for _, name := range []string{"dir/a", "dir/b", "x"} {
		s.put(GCSObject{Bucket: "b", Name: name, Size: 10})
	}
	api := s.URL + "/storage/v1/b/b/o"
	_, _, answer := do(t, "GET", api+"?prefix=dir/&startOffset=dir/b", "", nil)
	var page struct{ Items []GCSObject }
	if err := json.Unmarshal([]byte(answer), &page); err != nil || len(page.Items) != 1 || page.Items[0].Name != "dir/b" {
		t.Errorf("list: %s, %v", answer, err)
	}
	for _, test := range []struct {
		method, url string
		status      int
	}{
		{"GET", api + "/dir%2Fa", 200}, {"GET", api + "/dir%2Fa?generation=99", 404}, {"GET", api + "/nope", 404},
		{"POST", api + "/x/rewriteTo/b/other/o/y%2Fz", 200}, {"POST", api + "/x/rewriteTo/b/other/o/y?sourceGeneration=99", 404},
		{"DELETE", api + "/x", 204}, {"DELETE", api + "/x", 404}, {"POST", s.URL + "/upload/storage/v1/b/b/o", 400},
		{"POST", s.URL + "/upload/storage/v1/b/b/o?upload_id=9", 404}, {"GET", s.URL + "/b/dir/a", 404},
	} {
		if status, _, answer := do(t, test.method, test.url, "{}", nil); status != test.status {
			t.Errorf("%s %s: %d %s, want %d", test.method, test.url, status, answer, test.status)
		}
	}
	if want := []string{"b/dir/a", "b/dir/b", "other/y/z"}; !slices.Equal(s.Objects(), want) {
		t.Errorf("objects %q, want %q", s.Objects(), want)
	}
	s.Content = bytes.NewReader([]byte("0123456789 and more"))
	if status, header, answer := do(t, "GET", s.URL+"/b/dir/a", "", map[string]string{"Range": "bytes=7-"}); status != 206 || answer != "789" || header.Get("X-Goog-Generation") == "" {
		t.Errorf("download: %d %q", status, answer)
	}
}
