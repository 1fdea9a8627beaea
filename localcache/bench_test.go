package localcache

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
)

func benchCache(b *testing.B, memory int64) *Cache {
	return open(b, Options{Dir: b.TempDir() + "/copies", MaxSize: 1 << 30, MemorySize: memory})
}

func benchmarkGet(b *testing.B, c *Cache, size int) {
	body := strings.Repeat("x", size)
	row := rowOf("var/site/cache/content/site/0-1234567890abcdef.cache", body, time.Now())
	put(b, c, row, body)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		f, ok := c.Get(row)
		if !ok {
			b.Fatal("no copy")
		}
		if n, err := f.WriteTo(io.Discard); n != int64(size) || err != nil {
			b.Fatal(n, err)
		}
		f.Close()
	}
}

func BenchmarkGetMemory10K(b *testing.B) { benchmarkGet(b, benchCache(b, 16<<20), 10<<10) }
func BenchmarkGetDisk10K(b *testing.B)   { benchmarkGet(b, benchCache(b, 0), 10<<10) }
func BenchmarkGetDisk1M(b *testing.B)    { benchmarkGet(b, benchCache(b, 0), 1<<20) }

func BenchmarkGetMemoryParallel(b *testing.B) {
	c := benchCache(b, 16<<20)
	row := rowOf("var/a", kilo, time.Now())
	put(b, c, row, kilo)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			f, ok := c.Get(row)
			if !ok {
				b.Error("no copy")
				return
			}
			f.Close()
		}
	})
}

func BenchmarkMiss(b *testing.B) {
	c := benchCache(b, 16<<20)
	b.ReportAllocs()
	for b.Loop() {
		c.Get(metadata.Row{Name: "var/none"})
	}
}

func BenchmarkCreate(b *testing.B) {
	for _, size := range []int{10 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size>>10, "K"), func(b *testing.B) {
			c := benchCache(b, 0)
			body := []byte(strings.Repeat("x", size))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				w := c.Create(metadata.Row{Name: fmt.Sprint("var/", i), Size: int64(size), MTime: 1}, time.Now())
				w.Write(body)
				if err := w.Commit(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEvict: the list of a hundred thousand copies.
func BenchmarkEvict(b *testing.B) {
	c := benchCache(b, 0)
	for i := range 100_000 {
		k := keyOf(fmt.Sprint(i))
		s := c.disk.index.shard(k)
		s.Lock()
		c.disk.index.set(s, k, entry{size: blockSize, used: int64(i)})
		s.Unlock()
	}
	b.ReportAllocs()
	for b.Loop() {
		c.disk.candidates()
	}
}
