package googlecdn_test

import (
	"fmt"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/googlecdn"
	"example.com/ezdfs/settings"
)

// A directory is one path pattern; a prefix that is none has no name.
func ExampleNew() {
	target, err := googlecdn.New(settings.GoogleCDN{
		Name: "googlecdn:media", Project: "my-project", URLMap: "my-map", Endpoint: "http://127.0.0.1:8080", // a stand-in, without credentials
	})
	if err != nil {
		panic(err)
	}
	defer target.Close()
	takes := target.Limits().Takes
	fmt.Println(takes(cdn.Item{Action: cdn.Invalidate, Extent: cdn.Prefix, Subject: "var/site/storage/images/"}))
	fmt.Println(takes(cdn.Item{Action: cdn.Invalidate, Extent: cdn.Prefix, Subject: "var/site/storage/images/a"}))
	// Output:
	// true
	// false
}
