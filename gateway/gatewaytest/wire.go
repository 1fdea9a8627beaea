package gatewaytest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// response is what came over the wire.
type response struct {
	*http.Response
	body []byte
}

// answerTimeout is how long an answer may take before the test gives up.
const answerTimeout = time.Minute

// send writes a request to a new connection, exactly as it stands in the
// table, and reads until the other side closes.
func send(t testing.TB, base string, lines []string) (response, error) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(answerTimeout))
	// A server that refuses a request half-way may close before all of it is
	// written; its answer counts all the same.
	io.WriteString(conn, wireFormat(u.Host, lines))
	method, _, _ := strings.Cut(lines[0], " ")
	reader := bufio.NewReader(conn)
	r, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		return response{}, err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return response{}, fmt.Errorf("%d, then %w", r.StatusCode, err)
	}
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		return response{}, fmt.Errorf("%d bytes after the answer: %q", len(rest), rest[:min(len(rest), 100)])
	}
	return response{r, body}, nil
}

// wireFormat completes a request of the table: version, Host, Connection.
func wireFormat(host string, lines []string) string {
	var b bytes.Buffer
	b.WriteString(lines[0])
	if !strings.Contains(lines[0], " HTTP/") {
		b.WriteString(" HTTP/1.1")
	}
	fmt.Fprintf(&b, "\r\nHost: %s\r\nConnection: close\r\n", host)
	body := ""
	for i, line := range lines[1:] {
		if line == "" {
			body = strings.Join(lines[i+2:], "")
			break
		}
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return b.String()
}
