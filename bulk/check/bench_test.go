package check

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// benchFiles is 20,000, or DFS_BENCH_FILES.
func benchFiles(b *testing.B) int {
	files := 20_000
	if text := os.Getenv("DFS_BENCH_FILES"); text != "" {
		if _, err := fmt.Sscan(text, &files); err != nil {
			b.Fatal(err)
		}
	}
	return files
}

// fill stores so many files, each on all of the trees.
func (f *fixture) fill(files int, trees ...string) {
	var rows []metadata.Row
	for i := range files {
		name := fmt.Sprintf("%s%d/%d/%d-1-eng-GB/picture_%d.jpg", onNFS, i/10%10, i/100%100, i/10, i%10)
		rows = append(rows, f.row(name, 1))
		for _, tree := range trees {
			file := filepath.Join(f.settings.NFS[tree].MountPointPath, name)
			if i%10 == 0 {
				if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
					f.Fatal(err)
				}
			}
			if err := os.WriteFile(file, []byte("x"), 0o666); err != nil {
				f.Fatal(err)
			}
			if err := os.Chtimes(file, f.long, f.long); err != nil {
				f.Fatal(err)
			}
		}
		if len(rows) == 5000 || i == files-1 {
			f.putRows(rows...)
			rows = nil
		}
	}
}

func (f *fixture) benchmark(b *testing.B, files int) {
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if found, summary := f.check(Options{}); len(found) > 0 || summary.Rows != int64(files) {
			b.Fatalf("%q, %+v", summarize(found), summary)
		}
	}
	b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkCheck checks a sound cluster on a directory. Put TMPDIR on /dev/shm
// where the disk is not the subject.
func BenchmarkCheck(b *testing.B) {
	files := benchFiles(b)
	for _, engine := range []string{"sqlite", "mariadb"} {
		b.Run(engine, func(b *testing.B) {
			f := newFixture(b, engine, false)
			f.fill(files, "nfs")
			f.benchmark(b, files)
		})
	}
}

// BenchmarkMigrating checks a cluster at the end of a migration: all bodies lie
// on both stores.
func BenchmarkMigrating(b *testing.B) {
	files := benchFiles(b)
	s := newSettings(b, "sqlite", false)
	s.Dispatch.MigrateFrom = []settings.Rule{{Prefix: onNFS, Backend: past}}
	f := openFixture(b, s)
	f.fill(files, "nfs", past)
	f.benchmark(b, files)
}
