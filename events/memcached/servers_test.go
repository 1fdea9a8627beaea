package memcached

import (
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/settings"
)

// Keys stand where PHP's own client keeps them: whatever the prefix and the
// weights.
func TestServersAsPHP(t *testing.T) {
	for _, v := range loadVectors(t).Servers {
		if len(v.At) < 40 {
			t.Fatalf("prefix %q: only %d keys", v.Prefix, len(v.At))
		}
		l, err := New(settings.Memcached{Servers: []string{"a:1", "b:2;7", "c:3"}, PrefixKey: v.Prefix}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for key, at := range v.At {
			if got := slices.Index(l.servers, l.server(key)); got != at {
				t.Errorf("prefix %q, weights %v: %s is on server %d, want %d", v.Prefix, v.Weights, key, got, at)
			}
		}
	}
}

func TestServerStandsTwice(t *testing.T) {
	l, err := New(settings.Memcached{Servers: []string{"a:1", "b:1", "a:1"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.servers) != 2 || len(l.ring) != 3 || l.ring[0] != l.ring[2] {
		t.Errorf("%d servers in a ring of %d", len(l.servers), len(l.ring))
	}
}

func TestSettings(t *testing.T) {
	valid := []string{"127.0.0.1:11211", "cache.example.com:11211;5", " h:1;0", "[::1]:11211;1"}
	l, err := New(settings.Memcached{Servers: valid}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.servers[3].addr, "[::1]:11211"; got != want {
		t.Errorf("address %q, want %q", got, want)
	}
	for _, c := range []struct {
		name string
		s    settings.Memcached
		want string
	}{
		{"none", settings.Memcached{}, "Servers[] names no server"},
		{"no port", settings.Memcached{Servers: []string{"a:1", "cache"}}, "Servers[]=cache: is not host:port"},
		{"empty", settings.Memcached{Servers: []string{""}}, "Servers[]=: is not host:port"},
		{"no host", settings.Memcached{Servers: []string{":11211"}}, "has no valid host"},
		{"port", settings.Memcached{Servers: []string{"a:http"}}, "the port is not a number"},
		{"port 0", settings.Memcached{Servers: []string{"a:0"}}, "the port is not a number"},
		{"port too large", settings.Memcached{Servers: []string{"a:65536"}}, "the port is not a number"},
		{"weight", settings.Memcached{Servers: []string{"a:1;heavy"}}, "the weight is not a number"},
		{"prefix with a space", settings.Memcached{Servers: []string{"a:1"}, PrefixKey: "my site"}, "PrefixKey=my site: must be"},
		{"long prefix", settings.Memcached{Servers: []string{"a:1"}, PrefixKey: strings.Repeat("p", 129)}, "PrefixKey="},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.s, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "memcachedcluster.ini [ServerSettings] ") {
				t.Errorf("got %v, want one about %q", err, c.want)
			}
		})
	}
}

// memcached takes more than 30 days for a date in the past.
func TestTTLIsBounded(t *testing.T) {
	for ttl, want := range map[time.Duration]int32{0: 1, time.Minute: 60, 365 * 24 * time.Hour: 30 * 24 * 3600} {
		l, err := New(settings.Memcached{Servers: []string{"a:1"}, TTL: ttl}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if l.ttl != want {
			t.Errorf("TTL %v: %d seconds, want %d", ttl, l.ttl, want)
		}
	}
}

func TestLegalKey(t *testing.T) {
	for key, want := range map[string]bool{
		"": false, "var/s/2-": true, "a b": false, "a\n": false, "a\x7f": false, "ü": false,
		strings.Repeat("k", 250): true, strings.Repeat("k", 251): false,
	} {
		if got := legalKey(key); got != want {
			t.Errorf("legalKey(%.10q of %d) = %v", key, len(key), got)
		}
	}
}
