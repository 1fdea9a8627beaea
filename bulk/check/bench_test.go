package check

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"example.com/ezdfs/metadata"
)

// BenchmarkCheck checks a sound cluster on a directory: 20,000 files, or
// DFS_BENCH_FILES. Put TMPDIR on /dev/shm where the disk is not the subject.
func BenchmarkCheck(b *testing.B) {
	files := 20_000
	if text := os.Getenv("DFS_BENCH_FILES"); text != "" {
		if _, err := fmt.Sscan(text, &files); err != nil {
			b.Fatal(err)
		}
	}
	for _, engine := range []string{"sqlite", "mariadb"} {
		b.Run(engine, func(b *testing.B) {
			f := newFixture(b, engine, false)
			mount := f.settings.NFS["nfs"].MountPointPath
			var rows []metadata.Row
			for i := range files {
				name := fmt.Sprintf("%s%d/%d/%d-1-eng-GB/picture_%d.jpg", onNFS, i/10%10, i/100%100, i/10, i%10)
				rows = append(rows, f.row(name, 1))
				file := filepath.Join(mount, name)
				if i%10 == 0 {
					if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
						b.Fatal(err)
					}
				}
				if err := os.WriteFile(file, []byte("x"), 0o666); err != nil {
					b.Fatal(err)
				}
				if err := os.Chtimes(file, f.long, f.long); err != nil {
					b.Fatal(err)
				}
				if len(rows) == 5000 || i == files-1 {
					f.putRows(rows...)
					rows = nil
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				if found, summary := f.check(Options{}); len(found) > 0 || summary.Rows != int64(files) {
					b.Fatalf("%q, %+v", summarize(found), summary)
				}
			}
			b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
		})
	}
}
