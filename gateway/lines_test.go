package gateway_test

import (
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/gateway/gatewaytest"
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/metadata"
)

// serveFast serves as dfsctl serve does, with the help of its server.
func serveFast(t *testing.T, files gateway.Files, o gateway.Options) (url string) {
	t.Helper()
	front, err := server.Listen(t.Context(), server.Options{Listen: []string{"127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	o.AddHeader, o.BeforeBody = server.AddHeader, server.HoldNext
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- front.Serve(ctx, front.Protect(gateway.New(files, o)), http.NotFoundHandler()) }()
	t.Cleanup(func() {
		end()
		<-ended
	})
	return "http://" + front.Addresses()[0].String()
}

func TestConformanceOfLines(t *testing.T) {
	c, o := tableCluster(t)
	url := serveFast(t, c, o)
	gatewaytest.Run(t, url)
	gatewaytest.RunHostile(t, url)
}

// TestLinesAreTheHeader: whether its header was written once or is set anew, an
// answer says the same.
func TestLinesAreTheHeader(t *testing.T) {
	const noon = 1_795_262_400
	key := "0123456789abcdef"
	fixed := time.Unix(noon, 0)
	for name, test := range map[string]struct {
		change func(*gateway.Options, *fake)
		method string
		query  string
		lines  []string
		status int
		usual  bool
	}{
		"whole":         {status: 200, usual: true},
		"again":         {status: 200, usual: true},
		"HEAD":          {method: "HEAD", status: 200, usual: true},
		"range":         {lines: []string{"Range: bytes=0-3"}, status: 206, usual: true},
		"ranges":        {lines: []string{"Range: bytes=0-3,5-6"}, status: 206},
		"unmodified":    {lines: []string{"If-None-Match: *"}, status: 304, usual: true},
		"failed":        {lines: []string{"If-Match: \"x\""}, status: 412},
		"out of range":  {lines: []string{"Range: bytes=90-"}, status: 416},
		"method":        {method: "PUT", status: 405},
		"options":       {method: "OPTIONS", status: 204},
		"this second":   {change: func(_ *gateway.Options, f *fake) { f.row.MTime = noon }, status: 200},
		"of the future": {change: func(_ *gateway.Options, f *fake) { f.row.MTime = noon + 100 }, status: 200},
		"no validators": {change: func(o *gateway.Options, _ *fake) { o.NoCache = true }, status: 200, usual: true},
		"no ranges":     {change: func(o *gateway.Options, _ *fake) { o.NoRange = true }, status: 200, usual: true},
		"no expiry":     {change: func(o *gateway.Options, _ *fake) { o.MaxAge = 0 }, status: 200, usual: true},
		"origin":        {change: func(o *gateway.Options, _ *fake) { o.AllowOrigins = []string{"http://a"} }, lines: []string{"Origin: http://a"}, status: 200, usual: true},
		"any origin":    {change: func(o *gateway.Options, _ *fake) { o.AllowOrigins = []string{"*"} }, status: 200, usual: true},
		"plain":         {change: func(o *gateway.Options, _ *fake) { *o = gateway.Options{Now: o.Now} }, status: 200, usual: true},
		"download":      {change: func(_ *gateway.Options, f *fake) { f.row.Scope = "binaryfile" }, status: 200, usual: true},
		"line breaks": {change: func(o *gateway.Options, f *fake) { o.ServedBy, f.row.DataType = "a\r\nX-Evil: b", "a/b\r\nX-Evil: c" },
			status: 200, usual: true},
		"redirect": {change: func(o *gateway.Options, f *fake) {
			o.Redirects, f.url = map[string]gateway.Redirect{"var/": gateway.RedirectPublic}, "http://store.example.com/a"
		}, status: 302},
		"sendfile": {change: func(o *gateway.Options, _ *fake) { o.SendfileHeader = "X-Sendfile" }, status: 200},
		"private": {change: func(o *gateway.Options, _ *fake) { o.PrivatePrefixes, o.URLKeys = []string{"var/"}, []string{key} },
			query: gateway.SignPath(key, target, fixed.Add(time.Hour)), status: 200},
		"database down": {change: func(o *gateway.Options, f *fake) {
			o.Rows = oldRow{f.row}
			f.stat = func() (metadata.Row, error) { return metadata.Row{}, databaseDown }
		}, status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			f := fakeFile("0123456789")
			o := gateway.Options{
				MaxAge: time.Hour, PoweredBy: "eZ Publish", ServedBy: "host", SurrogateKey: true, CacheTag: true, XKey: true,
				Disposition: map[string]string{}, BodyCacheSize: 1 << 20, Now: func() time.Time { return fixed },
			}
			if test.change != nil {
				test.change(&o, f)
			}
			taken := 0
			counted := o
			slow := serve(t, gateway.New(f, o))
			counted.AddHeader = func(context.Context, ...[]byte) bool { taken++; return false }
			asked := serve(t, gateway.New(f, counted))
			urls := []string{slow.URL, asked.URL, serveFast(t, f, o)}
			var answers []string
			for _, url := range urls {
				answers = append(answers, headerOf(t, url+cmp.Or(test.query, target), cmp.Or(test.method, "GET"), test.lines, test.status))
			}
			if answers[0] != answers[1] || answers[0] != answers[2] {
				t.Errorf("set:\n%s\nnot taken:\n%s\nwritten once:\n%s", answers[0], answers[1], answers[2])
			}
			if !strings.Contains(answers[0], "X-Content-Type-Options: nosniff\n") {
				t.Errorf("what every answer has is missing:\n%s", answers[0])
			}
			if strings.Contains(answers[2], "\nX-Evil") {
				t.Errorf("a value became a header:\n%s", answers[2])
			}
			if (taken == 1) != test.usual {
				t.Errorf("lines were offered %d times, to be usual: %v", taken, test.usual)
			}
		})
	}
}

// oldRow remembers a row from long ago.
type oldRow struct{ row metadata.Row }

func (o oldRow) Stale(string) (events.Answer, time.Duration, bool) {
	return events.Answer{Row: o.row, Exists: true}, time.Minute, true
}

// headerOf asks for a URL and returns the header of the answer, sorted.
func headerOf(t *testing.T, url, method string, lines []string, status int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		r.Header.Set(key, value)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Error(err)
	}
	if answer.StatusCode != status {
		t.Errorf("%s %s: %s, want %d", method, url, answer.Status, status)
	}
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(answer.Header)) {
		value := strings.Join(answer.Header[key], " | ")
		if boundary, _, ok := strings.Cut(value, "boundary="); ok {
			value = boundary
		}
		b.WriteString(key + ": " + value + "\n")
	}
	return b.String()
}
