package load_test

import (
	"fmt"

	"example.com/ezdfs/bulk/load"
)

func ExampleParseSizes() {
	sizes, err := load.ParseSizes("10KB,100KB:20%,5MB:1%")
	fmt.Println(sizes, err)
	fmt.Printf("%.0f bytes on average\n", sizes.Mean())
	// Output:
	// [{10000 79} {100000 20} {5000000 1}] <nil>
	// 77900 bytes on average
}
