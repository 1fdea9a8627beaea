package nfs

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

// deepPath is as deep as the legacy's image paths.
func deepPath(i int) string {
	return fmt.Sprintf("var/site/storage/images/%d/%d/%d-1-eng-GB/image.png", i/100%10, i/10%10, i%1000)
}

func BenchmarkStagePublish10K(b *testing.B) {
	tree := newTree(b)
	body := bytes.Repeat([]byte("0123456789"), 1024)
	attrs := backends.Attributes{Size: int64(len(body)), ModTime: time.Unix(1e9, 0)}
	b.SetBytes(attrs.Size)
	i := 0
	for b.Loop() {
		staged, err := tree.Stage(b.Context(), deepPath(i), bytes.NewReader(body), attrs)
		if err == nil {
			err = staged.Publish(b.Context())
		}
		if err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkStat(b *testing.B) {
	tree := newTree(b)
	put(b, tree, deepPath(0), "body")
	for b.Loop() {
		if _, err := tree.Stat(b.Context(), deepPath(0)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenRead10K(b *testing.B) {
	tree := newTree(b)
	put(b, tree, deepPath(0), string(make([]byte, 10_240)))
	var sink bytes.Buffer
	for b.Loop() {
		sink.Reset()
		r, err := tree.Open(b.Context(), deepPath(0), 0, -1)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := sink.ReadFrom(r); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// BenchmarkList lists 1,000 bodies at each turn.
func BenchmarkList(b *testing.B) {
	const listed = 1000
	tree := newTree(b)
	for i := range listed {
		staged, err := tree.Stage(b.Context(), fmt.Sprintf("var/s/%d/%d/f", i/100, i), bytes.NewReader(nil), backends.Attributes{Size: -1})
		if err != nil {
			b.Fatal(err)
		}
		if err := staged.Publish(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		n := 0
		for _, err := range tree.List(b.Context(), "", "") {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != listed {
			b.Fatal(n)
		}
	}
}

func put(tb testing.TB, b *Backend, path, body string) {
	tb.Helper()
	staged, err := b.Stage(tb.Context(), path, bytes.NewReader([]byte(body)), backends.Attributes{Size: int64(len(body))})
	if err != nil {
		tb.Fatal(err)
	}
	if err := staged.Publish(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}
