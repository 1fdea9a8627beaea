package migrate

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/settings"
)

// TestTable measures a migration from a directory to versitygw, on MariaDB,
// against rclone copy (as it comes, and with 32 transfers) and s5cmd over the
// same tree, each into an empty bucket, in neighbouring rounds:
//
//	TMPDIR=/dev/shm DFS_BENCH=1 DFS_TEST_SERVICES=required go test -count 1 -run Table -v ./bulk/migrate
//
// DFS_BENCH_ROUNDS sets how often; peers that are not in PATH are left out.
func TestTable(t *testing.T) {
	testservice.Measurement(t)
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("DFS_BENCH_ROUNDS")); err == nil {
		rounds = n
	}
	for _, set := range []struct{ files, size int }{{20_000, 50_000}, {20, 256 << 20}} {
		t.Run(fmt.Sprintf("%dx%d", set.files, set.size), func(t *testing.T) {
			b := newBench(t, set.files, set.size)
			runs := []struct {
				name string
				do   func(t *testing.T, bucket string) (ok bool)
			}{{"ezdfs", b.migrate}, {"rclone copy", b.rclone()}, {"rclone copy --transfers 32", b.rclone("--transfers", "32")}, {"s5cmd cp", b.s5cmd}}
			took := make([][]float64, len(runs))
			for range rounds {
				for i, run := range runs {
					if seconds, ok := b.round(t, run.do); ok {
						took[i] = append(took[i], seconds)
					}
				}
			}
			ours := median(took[0])
			for i, run := range runs {
				if len(took[i]) > 0 {
					m := median(took[i])
					t.Logf("%-28s %7.2f s %8.0f files/s %7.1f MB/s  ezdfs is %.2f times as fast", run.name, m, float64(set.files)/m,
						float64(set.files)*float64(set.size)/1e6/m, m/ours)
				}
			}
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// bench is a tree of files and the services around it.
type bench struct {
	s           *site
	gateway     *testservice.VersityGW
	files, size int
}

func newBench(t *testing.T, files, size int) *bench {
	b := &bench{s: newSite(t, true, "nfs:new"), gateway: testservice.StartVersityGW(t), files: files, size: size}
	c := b.s.host(t, "nfs", "")
	dir := t.TempDir()
	body := make([]byte, size)
	step := max(1, min(100, (100<<20)/size)) // files written at a time
	for start := 0; start < files; start += step {
		var items []cluster.Item
		for i := start; i < min(start+step, files); i++ {
			rand.Read(body[:min(size, 4096)])
			file := filepath.Join(dir, strconv.Itoa(i-start))
			if err := os.WriteFile(file, body, 0o666); err != nil {
				t.Fatal(err)
			}
			items = append(items, cluster.Item{Path: fmt.Sprintf("%s/%d/%d.png", prefix, i/100, i), File: file,
				Options: cluster.StoreOptions{DataType: "image/png", Scope: "image"}})
		}
		for _, result := range c.StoreFiles(t.Context(), items) {
			if result.Err != nil {
				t.Fatal(result.Err)
			}
		}
	}
	os.RemoveAll(dir)
	return b
}

// round times one run into an empty bucket, which must hold all files then.
func (b *bench) round(t *testing.T, do func(t *testing.T, bucket string) bool) (seconds float64, ok bool) {
	bucket := b.gateway.Bucket(t)
	defer os.RemoveAll(b.gateway.Dir(bucket))
	start := time.Now()
	if !do(t, bucket) {
		return 0, false
	}
	seconds = time.Since(start).Seconds()
	n, bytes := 0, int64(0)
	err := filepath.WalkDir(b.gateway.Dir(bucket), func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			n, bytes = n+1, bytes+info.Size()
		}
		return err
	})
	if err != nil || n != b.files || bytes != int64(b.files)*int64(b.size) {
		t.Fatalf("%d files, %d bytes, %v", n, bytes, err)
	}
	return seconds, true
}

func (b *bench) migrate(t *testing.T, bucket string) bool {
	s3 := s3Settings(b.gateway, bucket)
	s3.PartSize, s3.Concurrency = 8<<20, 3 // the defaults
	b.s.S3 = map[string]settings.S3{"s3": s3}
	db := b.s.DFS.DBName
	mariaDB.Exec(t, fmt.Sprintf("DELETE FROM `%s`.ezdfs_migration;\nDELETE FROM `%s`.ezdfs_migration_range", db, db))
	c, err := cluster.Open(t.Context(), b.s.rules("s3", "nfs"), cluster.ForOneCommand())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	counts, err := move(t, c, "nfs", "s3", Options{}).Copy(t.Context())
	if err != nil || counts.Copied != int64(b.files) {
		t.Fatalf("%+v, %v", counts, err)
	}
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	t.Logf("peak memory so far %d MB", usage.Maxrss>>10)
	return true
}

func (b *bench) rclone(flags ...string) func(t *testing.T, bucket string) bool {
	return func(t *testing.T, bucket string) bool {
		args := append([]string{"copy", "--config", "/dev/null", "--s3-no-check-bucket"}, flags...)
		return b.peer(t, "rclone", append(args, b.s.NFS["nfs"].MountPointPath, ":s3:"+bucket),
			"RCLONE_S3_PROVIDER=Other", "RCLONE_S3_ACCESS_KEY_ID="+b.gateway.AccessKey, "RCLONE_S3_SECRET_ACCESS_KEY="+b.gateway.SecretKey,
			"RCLONE_S3_ENDPOINT="+b.gateway.Endpoint, "RCLONE_S3_REGION="+b.gateway.Region)
	}
}

func (b *bench) s5cmd(t *testing.T, bucket string) bool {
	return b.peer(t, "s5cmd", []string{"--endpoint-url", b.gateway.Endpoint, "--log", "error", "cp", b.s.NFS["nfs"].MountPointPath + "/", "s3://" + bucket + "/"},
		"AWS_ACCESS_KEY_ID="+b.gateway.AccessKey, "AWS_SECRET_ACCESS_KEY="+b.gateway.SecretKey, "AWS_REGION="+b.gateway.Region)
}

// peer runs another program, if it is there.
func (b *bench) peer(t *testing.T, name string, args []string, env ...string) bool {
	path, err := exec.LookPath(name)
	if err != nil {
		t.Logf("%s is not in PATH", name)
		return false
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(append(os.Environ(), "AWS_CA_BUNDLE="), env...) // of no use, and rclone stumbles over it
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return true
}
