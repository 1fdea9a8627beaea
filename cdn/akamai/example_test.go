package akamai_test

import (
	"context"
	"fmt"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/akamai"
	"example.com/ezdfs/settings"
)

// A target says what it takes before it is asked to deliver anything.
func ExampleNew() {
	target, err := akamai.New(settings.Akamai{
		Name: "akamai:media", URLs: []string{"https://www.example.com"}, Tags: true,
		Host: "akab-host.luna.akamaiapis.net", ClientToken: "…", ClientSecret: "…", AccessToken: "…",
	})
	if err != nil {
		panic(err)
	}
	defer target.Close()
	takes := target.Limits().Takes
	fmt.Println(takes(cdn.Item{Action: cdn.Invalidate, Extent: cdn.Prefix, Subject: "var/site/storage/images/"}))
	fmt.Println(takes(cdn.Item{Action: cdn.Invalidate, Extent: cdn.Prefix, Subject: "var/site/storage/images/a"}))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	errs := target.Deliver(ctx, []cdn.Item{{Action: cdn.Invalidate, Extent: cdn.Path, Subject: "var/site/storage/images/a.png"}})
	fmt.Println(errs[0])
	// Output:
	// true
	// false
	// akamai:media: unavailable: no answer from akab-host.luna.akamaiapis.net: context canceled
}
