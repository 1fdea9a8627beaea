package cloudflare_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"example.com/ezdfs/cdn"
	standin "example.com/ezdfs/cdn/cdntest/cloudflare"
	"example.com/ezdfs/cdn/cloudflare"
	"example.com/ezdfs/settings"
)

// Files are purged by URL, families by tag.
func Example() {
	api := standin.New("023e105f4ecef8ad9ca31a8372d0c353", "token", "www.example.com")
	server := httptest.NewServer(api)
	defer server.Close()
	target, err := cloudflare.New(settings.Cloudflare{
		Name: "cloudflare:main", ZoneID: "023e105f4ecef8ad9ca31a8372d0c353", Token: "token",
		URLs: []string{"https://www.example.com"}, Tags: true, Endpoint: server.URL + "/client/v4",
	})
	if err != nil {
		panic(err)
	}
	defer target.Close()
	fmt.Println(target.Deliver(context.Background(), []cdn.Item{
		{Action: cdn.Invalidate, Extent: cdn.Path, Subject: "var/site/storage/images/a b.png"},
		{Action: cdn.Invalidate, Extent: cdn.Scope, Subject: "viewcache"},
	}))
	fmt.Println(api.Calls(), api.Purged("files", "https://www.example.com/var/site/storage/images/a%20b.png"))
	// Output:
	// [<nil> <nil>]
	// [{tags 1} {files 1}] true
}
