package dispatcher_test

import (
	"fmt"

	"example.com/ezdfs/dispatcher"
)

func ExampleRouter() {
	rules := []dispatcher.Rule{
		{Key: "var/site/storage/images-private", Backend: "nfs"},
		{Key: "var/site/storage/images", Backend: "s3"},
		{Key: "var/site/storage/original", Backend: "gcs:archive"},
	}
	router, err := dispatcher.NewRouter(rules, dispatcher.Prefix)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{
		"var/site/storage/images/a.png",
		"var/site/storage/images-versioned/a.png", // a string prefix, not a directory
		"var/site/storage/images-private/a.png",
		"var/site/cache/x.cache",
	} {
		backend := "the default"
		if i := router.Lookup(path); i != dispatcher.DefaultRule {
			backend = rules[i].Backend
		}
		fmt.Println(path, "→", backend)
	}
	// Output:
	// var/site/storage/images/a.png → s3
	// var/site/storage/images-versioned/a.png → s3
	// var/site/storage/images-private/a.png → nfs
	// var/site/cache/x.cache → the default
}
