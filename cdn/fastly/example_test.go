package fastly_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"example.com/ezdfs/cdn"
	standin "example.com/ezdfs/cdn/cdntest/fastly"
	"example.com/ezdfs/cdn/fastly"
	"example.com/ezdfs/settings"
)

// A directory is purged by its key, in one call.
func Example() {
	api := standin.New("SU1Z0isxPaozGVKXdv0eY", "token")
	server := httptest.NewServer(api)
	defer server.Close()
	target, err := fastly.New(settings.Fastly{
		Name: "fastly:main", ServiceID: "SU1Z0isxPaozGVKXdv0eY", Token: "token", Keys: true, Soft: true, Endpoint: server.URL,
	})
	if err != nil {
		panic(err)
	}
	defer target.Close()
	changed := cdn.Item{Action: cdn.Invalidate, Extent: cdn.Prefix, Subject: "var/site/storage/images/"}
	fmt.Println(target.Deliver(context.Background(), []cdn.Item{changed}))
	fmt.Println(api.Key("d-9bb76c67aaaf"), api.Batches())
	// Output:
	// [<nil>]
	// soft [1]
}
