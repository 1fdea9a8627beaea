package varnish_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/varnish"
	"example.com/ezdfs/settings"
)

// A file that changed is purged on every host.
func Example() {
	host := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.Host+r.URL.EscapedPath())
	}))
	defer host.Close()
	target, err := varnish.New(settings.Varnish{
		Name: "varnish:front", Servers: []string{host.URL}, URLs: []string{"https://www.example.com"},
	})
	if err != nil {
		panic(err)
	}
	defer target.Close()
	changed := cdn.Item{Action: cdn.Invalidate, Extent: cdn.Path, Subject: "var/site/storage/images/a b.png"}
	fmt.Println(target.Deliver(context.Background(), []cdn.Item{changed}))
	// Output:
	// PURGE www.example.com/var/site/storage/images/a%20b.png
	// [<nil>]
}
