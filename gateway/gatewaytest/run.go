package gatewaytest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/gateway"
)

// Run sends every request of conformance.jsonl to the server at baseURL and
// holds the answers against the table.
func Run(t *testing.T, baseURL string) {
	cases, err := Cases()
	if err != nil {
		t.Fatal(err)
	}
	RunCases(t, baseURL, cases)
}

// RunCases is Run for a table of the caller's, such as Cases with other
// answers where what stands in front rightly gives them.
func RunCases(t *testing.T, baseURL string, cases []Case) {
	for _, c := range cases {
		t.Run(c.RFC+" "+c.Name, func(t *testing.T) {
			r, err := send(t, baseURL, c.Request)
			if err != nil {
				t.Fatalf("%s: %v", show(c.Request), err)
			}
			c.check(t, r)
			if t.Failed() {
				t.Logf("%s\n%d %v\n%.200q", show(c.Request), r.StatusCode, r.Header, r.body)
			}
		})
	}
}

func show(request []string) string {
	return strings.Join(request, "\n")[:min(300, len(strings.Join(request, "\n")))]
}

// check holds one answer against the table, and against what is true of all.
func (c Case) check(t *testing.T, r response) {
	if r.StatusCode != c.Status {
		t.Errorf("status %d, want %d", r.StatusCode, c.Status)
	}
	for key, want := range c.Header {
		c.checkField(t, r.Header, key, want)
	}
	for _, key := range c.Absent {
		if got, ok := r.Header[http.CanonicalHeaderKey(key)]; ok {
			t.Errorf("%s: %q is there", key, got)
		}
		if key == "Transfer-Encoding" && len(r.TransferEncoding) > 0 {
			t.Errorf("%s: %q is there", key, r.TransferEncoding)
		}
	}
	if c.Body != nil && string(r.body) != *c.Body {
		t.Errorf("body %.100q, want %.100q", r.body, *c.Body)
	}
	if c.Slice != nil && !bytes.Equal(r.body, c.content(t)[c.Slice[0]:c.Slice[1]]) {
		t.Errorf("%d bytes are not those from %d to %d", len(r.body), c.Slice[0], c.Slice[1])
	}
	if c.Parts != nil && r.StatusCode == c.Status {
		c.checkParts(t, r)
	}
	if _, err := http.ParseTime(r.Header.Get("Date")); err != nil && !slices.Contains(c.Absent, "Date") {
		t.Errorf("Date: %v", err)
	}
	checkAlways(t, r)
}

// checkField holds one header field against the table.
func (c Case) checkField(t *testing.T, header http.Header, key, want string) {
	got := strings.Join(header.Values(key), ", ")
	switch expression, isExpression := strings.CutSuffix(want, "/"); {
	case isExpression && strings.HasPrefix(expression, "/"):
		if !regexp.MustCompile(expression[1:]).MatchString(got) {
			t.Errorf("%s: %q does not match %s", key, got, want)
		}
		return
	case strings.HasPrefix(want, "=Date"):
		date, err := http.ParseTime(header.Get("Date"))
		if err != nil {
			t.Errorf("Date: %v", err)
		}
		seconds, _ := strconv.Atoi(strings.TrimPrefix(want, "=Date+"))
		want = date.Add(time.Duration(seconds) * time.Second).Format(http.TimeFormat)
	}
	if got != want {
		t.Errorf("%s: %q, want %q", key, got, want)
	}
}

// content returns the body of the file that the request is for.
func (c Case) content(t *testing.T) []byte {
	_, target, _ := strings.Cut(c.Request[0], " ")
	name, err := url.PathUnescape(path.Base(target))
	i := slices.IndexFunc(files(), func(f file) bool { return path.Base(f.name) == name })
	if err != nil || i < 0 {
		t.Fatalf("no file %q in the table (%v)", name, err)
	}
	return []byte(files()[i].body)
}

// checkParts reads a multipart/byteranges body.
func (c Case) checkParts(t *testing.T, r response) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	reader := multipart.NewReader(bytes.NewReader(r.body), params["boundary"])
	var got []string
	for {
		part, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, part.Header.Get("Content-Range"))
		c.checkPart(t, part)
	}
	if !slices.Equal(got, c.Parts) {
		t.Errorf("parts %q, want %q", got, c.Parts)
	}
}

var contentRange = regexp.MustCompile(`^bytes (\d+)-(\d+)/(\d+)$`)

func (c Case) checkPart(t *testing.T, part *multipart.Part) {
	body, err := io.ReadAll(part)
	match := contentRange.FindStringSubmatch(part.Header.Get("Content-Range"))
	if err != nil || match == nil || part.Header.Get("Content-Type") == "" {
		t.Fatalf("part %v: %v", part.Header, err)
	}
	first, _ := strconv.Atoi(match[1])
	last, _ := strconv.Atoi(match[2])
	if content := c.content(t); !bytes.Equal(body, content[first:last+1]) {
		t.Errorf("part %s: %.100q", match[0], body)
	}
}

// checkAlways looks at what holds for every answer.
func checkAlways(t *testing.T, r response) {
	t.Helper()
	if got := r.Header.Get("X-Content-Type-Options"); got != "nosniff" && r.ProtoMajor > 0 && r.Header.Get("Served-By") != "" {
		t.Errorf("X-Content-Type-Options: %q", got)
	}
	if tag := r.Header.Get("Etag"); tag != "" && !regexp.MustCompile(`^(W/)?"[!#-~]*"$`).MatchString(tag) {
		t.Errorf("ETag: %q", tag)
	}
	head := r.Request.Method == http.MethodHead || r.StatusCode == http.StatusNotModified || r.StatusCode == http.StatusNoContent
	if head && len(r.body) > 0 {
		t.Errorf("%d bytes of content", len(r.body))
	}
	if length := r.Header.Get("Content-Length"); length != "" && !head && length != strconv.Itoa(len(r.body)) {
		t.Errorf("Content-Length: %s, %d bytes", length, len(r.body))
	}
	if bytes.Contains(r.body, []byte(secret)) {
		t.Errorf("the body has what nobody may read: %.100q", r.body)
	}
}

// RunHostile sends every request of hostile.jsonl to the server at baseURL.
// Each must be refused, by an answer or by closing the connection, without
// giving away or repeating anything.
func RunHostile(t *testing.T, baseURL string) {
	requests, err := HostileRequests()
	if err != nil {
		t.Fatal(err)
	}
	emptyKey := gateway.SignPath("", Private, time.Unix(4_000_000_000, 0))
	_, forged, _ := strings.Cut(emptyKey, "signature=")
	for _, h := range requests {
		t.Run(h.Name, func(t *testing.T) {
			h.Request[0] = strings.ReplaceAll(h.Request[0], "{empty-key}", forged)
			r, err := send(t, baseURL, h.Request)
			var slow net.Error
			switch {
			case errors.As(err, &slow) && slow.Timeout():
				t.Fatal(err)
			case err != nil:
				return // no answer at all
			}
			h.check(t, r)
			if t.Failed() {
				t.Logf("%s\n%d %v\n%.200q", show(h.Request), r.StatusCode, r.Header, r.body)
			}
		})
	}
}

func (h Hostile) check(t *testing.T, r response) {
	if r.StatusCode < 400 && r.StatusCode != http.StatusNoContent || r.StatusCode == http.StatusInternalServerError {
		t.Errorf("status %d", r.StatusCode)
	}
	for _, key := range []string{"X-Injected", "Set-Cookie", "Location", "X-Accel-Redirect", "X-Sendfile", "Access-Control-Allow-Origin", "Etag"} {
		if r.Header[key] != nil {
			t.Errorf("%s: %q", key, r.Header[key])
		}
	}
	for _, text := range []string{secret, "<script", "alert(1)", "root:", "example.com/ezdfs", "/tmp/"} {
		if bytes.Contains(r.body, []byte(text)) {
			t.Errorf("the body has %q", text)
		}
	}
}
