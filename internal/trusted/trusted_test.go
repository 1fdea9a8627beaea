package trusted_test

import (
	"fmt"
	"net"
	"net/http"
	"testing"

	"example.com/ezdfs/internal/trusted"
)

func parse(t testing.TB, words ...string) trusted.Proxies {
	t.Helper()
	p, err := trusted.Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParse(t *testing.T) {
	for _, word := range []string{"", "10.0.0.0/33", "example.com", "10.0.0.1:80", "10.0.0", "UNIX"} {
		if _, err := trusted.Parse([]string{word}); err == nil {
			t.Errorf("%q was taken", word)
		}
	}
	if !parse(t).Empty() || parse(t, "unix").Empty() || parse(t, "::1").Empty() {
		t.Error("Empty is wrong")
	}
}

// TestClient asks who sent a request, with what liars write.
func TestClient(t *testing.T) {
	const proxy, stranger = "10.1.2.3:4000", "192.0.2.9:4000"
	for name, test := range map[string]struct {
		peer      string
		forwarded []string // X-Forwarded-For
		standard  []string // Forwarded
		want      string
	}{
		"a client":                  {peer: stranger, want: "192.0.2.9"},
		"a client who lies":         {peer: stranger, forwarded: []string{"10.9.9.9"}, standard: []string{"for=10.9.9.9"}, want: "192.0.2.9"},
		"a proxy that says nothing": {peer: proxy, want: "10.1.2.3"},
		"a proxy":                   {peer: proxy, forwarded: []string{"192.0.2.7"}, want: "192.0.2.7"},
		"a liar behind a proxy":     {peer: proxy, forwarded: []string{"198.51.100.1, 192.0.2.7"}, want: "192.0.2.7"},
		"a liar who is a proxy's":   {peer: proxy, forwarded: []string{"10.9.9.9, 192.0.2.7"}, want: "192.0.2.7"},
		"two proxies":               {peer: proxy, forwarded: []string{"198.51.100.1, 192.0.2.7,10.4.4.4"}, want: "192.0.2.7"},
		"in two lines":              {peer: proxy, forwarded: []string{"198.51.100.1", "192.0.2.7", "10.4.4.4"}, want: "192.0.2.7"},
		"only proxies":              {peer: proxy, forwarded: []string{"10.5.5.5, 10.4.4.4"}, want: "10.5.5.5"},
		"nonsense":                  {peer: proxy, forwarded: []string{"192.0.2.7, unknown"}, want: "10.1.2.3"},
		"nonsense behind a proxy":   {peer: proxy, forwarded: []string{"192.0.2.7, x\"\r\n, 10.4.4.4"}, want: "10.4.4.4"},
		"empty":                     {peer: proxy, forwarded: []string{""}, want: "10.1.2.3"},
		"with a port":               {peer: proxy, forwarded: []string{"192.0.2.7:1234"}, want: "192.0.2.7"},
		"IPv6":                      {peer: proxy, forwarded: []string{"2001:db8::1"}, want: "2001:db8::1"},
		"IPv6 in brackets":          {peer: proxy, forwarded: []string{"[2001:db8::1]:80"}, want: "2001:db8::1"},
		"IPv6 with a zone":          {peer: proxy, forwarded: []string{"fe80::1%eth0"}, want: "fe80::1"},
		"IPv4 as IPv6":              {peer: "[::ffff:10.1.2.3]:80", forwarded: []string{"::ffff:192.0.2.7"}, want: "192.0.2.7"},
		"standard":                  {peer: proxy, standard: []string{`for=192.0.2.7;proto=https;by=10.1.2.3`}, want: "192.0.2.7"},
		"standard, quoted":          {peer: proxy, standard: []string{`proto=https; For="[2001:db8::1]:80"`}, want: "2001:db8::1"},
		"standard, a liar":          {peer: proxy, standard: []string{`for=198.51.100.1, for=192.0.2.7`}, want: "192.0.2.7"},
		"standard, comma quoted":    {peer: proxy, standard: []string{`for=192.0.2.7;host="a,for=198.51.100.1"`}, want: "192.0.2.7"},
		"standard, hidden":          {peer: proxy, standard: []string{`for=192.0.2.7, for=_hidden`}, want: "10.1.2.3"},
		"standard, nothing of it":   {peer: proxy, standard: []string{`proto=https`}, want: "10.1.2.3"},
		"both":                      {peer: proxy, forwarded: []string{"198.51.100.1"}, standard: []string{"for=192.0.2.7"}, want: "192.0.2.7"},
		"a socket":                  {peer: "@", forwarded: []string{"192.0.2.7"}, want: "192.0.2.7"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: test.peer, Header: http.Header{}}
			if test.forwarded != nil {
				r.Header["X-Forwarded-For"] = test.forwarded
			}
			if test.standard != nil {
				r.Header["Forwarded"] = test.standard
			}
			if got := parse(t, "10.0.0.0/8", "unix").Client(r).String(); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// TestNobodyTrusted: without the word unix a socket's peer has no say.
func TestNobodyTrusted(t *testing.T) {
	r := &http.Request{RemoteAddr: "@", Header: http.Header{"X-Forwarded-For": {"192.0.2.7"}}}
	for _, p := range []trusted.Proxies{parse(t), parse(t, "0.0.0.0/0", "::/0")} {
		if got := p.Client(r); got.IsValid() {
			t.Errorf("%s is believed", got)
		}
	}
}

func TestContainsPeer(t *testing.T) {
	p := parse(t, "::ffff:10.0.0.0/104", "unix")
	for _, test := range []struct {
		addr net.Addr
		want bool
	}{
		{&net.TCPAddr{IP: net.IPv4(10, 2, 3, 4), Port: 1}, true},
		{&net.TCPAddr{IP: net.IPv4(11, 2, 3, 4), Port: 1}, false},
		{&net.UnixAddr{Name: "@"}, true},
		{&net.UDPAddr{IP: net.IPv4(10, 2, 3, 4)}, false},
	} {
		if got := p.ContainsPeer(test.addr); got != test.want {
			t.Errorf("%v: %v", test.addr, got)
		}
	}
}

func FuzzClient(f *testing.F) {
	f.Add("192.0.2.7, 10.4.4.4", "for=\"[::1]\";by=x")
	f.Add(",,\",", "for=\"")
	p := parse(f, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, forwarded, standard string) {
		for _, header := range []http.Header{{"X-Forwarded-For": {forwarded}}, {"Forwarded": {standard, forwarded}}} {
			client := p.Client(&http.Request{RemoteAddr: "10.0.0.1:1", Header: header})
			if !client.IsValid() || client.Zone() != "" {
				t.Errorf("%q, %q: %v", forwarded, standard, client)
			}
		}
	})
}

func ExampleProxies_Client() {
	proxies, err := trusted.Parse([]string{"10.0.0.0/8"})
	if err != nil {
		panic(err)
	}
	r := &http.Request{RemoteAddr: "10.0.0.1:4711", Header: http.Header{
		"X-Forwarded-For": {"10.6.6.6, 192.0.2.7"}, // the first was written by the client
	}}
	fmt.Println(proxies.Client(r))
	// Output: 192.0.2.7
}
