package cloudfront_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"example.com/ezdfs/cdn"
	standin "example.com/ezdfs/cdn/cdntest/cloudfront"
	"example.com/ezdfs/cdn/cloudfront"
	"example.com/ezdfs/settings"
)

// A batch is one invalidation, also when it is delivered again.
func Example() {
	ctx := context.Background()
	api := standin.New("EDFDVBD6EXAMPLE", "AKIDEXAMPLE", "secret")
	server := httptest.NewServer(api)
	defer server.Close()
	target, err := cloudfront.New(ctx, settings.CloudFront{
		Name: "cloudfront:main", DistributionID: "EDFDVBD6EXAMPLE", Endpoint: server.URL,
		AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret",
	})
	if err != nil {
		panic(err)
	}
	defer target.Close()
	batch := []cdn.Item{
		{ID: "1", Action: cdn.Invalidate, Extent: cdn.Path, Subject: "var/site/storage/images/a b.png"},
		{ID: "2", Action: cdn.Invalidate, Extent: cdn.Prefix, Subject: "var/site/cache/"},
	}
	fmt.Println(target.Deliver(ctx, batch), target.Deliver(ctx, batch))
	fmt.Println(api.Sizes(), api.Invalidated("/var/site/storage/images/a%20b.png"), api.Invalidated("/var/site/cache/x"))
	// Output:
	// [<nil> <nil>] [<nil> <nil>]
	// [2] true true
}
