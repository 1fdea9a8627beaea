package surrogate_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/gateway/surrogate"
	"example.com/ezdfs/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPathKeyBeginsTheNameHash(t *testing.T) {
	const name = "var/site/storage/a.png"
	if got, want := surrogate.Path(name), "p-"+metadata.Hash(name)[:12]; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestKindsDoNotMix(t *testing.T) {
	keys := map[string]bool{surrogate.Path("a"): true, surrogate.Directory("a"): true, surrogate.Scope("a"): true, surrogate.Trunk("a"): true}
	if len(keys) != 4 {
		t.Errorf("%v", keys)
	}
}

// TestDirectoriesOfAPath: what purges a directory is among the keys of every
// file below it, and of none beside it.
func TestDirectoriesOfAPath(t *testing.T) {
	keys := surrogate.Keys(metadata.Row{Name: "var/site/storage/images/a/b.png", Scope: "image"})
	for dir, want := range map[string]bool{
		"var": true, "var/site/": true, "/var/site/storage": true, "var/site/storage/images": true, "var/site/storage/images/a": true,
		"var/site/storage/images/a/b.png": false, "var/site/stor": false, "site": false, "": false,
	} {
		if got := strings.Contains(strings.Join(keys, " "), surrogate.Directory(dir)); got != want {
			t.Errorf("%q: %v, want %v", dir, got, want)
		}
	}
}

func Example() {
	row := metadata.Row{Name: "var/site/storage/a.png", Trunk: "var/site/storage/a.png", Scope: "image"}
	fmt.Println(strings.Join(surrogate.Keys(row), " "))
	// Output:
	// p-8b34107b1400 s-78805a221a98 d-b2145aac704c d-04b49ab7c990 d-87b8f1150139
}

func BenchmarkKeys(b *testing.B) {
	row := metadata.Row{Name: "var/site/storage/images/media/news/1234-1-eng-GB/picture_large.png", Trunk: "t", Scope: "image"}
	b.ReportAllocs()
	for b.Loop() {
		surrogate.Keys(row)
	}
}
