package gateway_test

import (
	"testing"

	"example.com/ezdfs/gateway"
)

func TestPrivate(t *testing.T) {
	o := gateway.Options{
		PublicPrefixes:  []string{"var/a/open/", "var/b/"},
		PrivatePrefixes: []string{"/var/a/", "var/b/", "var/b/c/"},
	}
	for path, want := range map[string]bool{
		"var/a/x": true, "/var/a/x": true, "var/a/open/x": false, "var/ab": false,
		"var/b/x": true, "var/b/c/x": true, "": false,
	} {
		if got := o.Private(path); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}
