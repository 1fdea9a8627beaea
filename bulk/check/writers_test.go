package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/cluster"
)

// TestWritersMeanwhile checks, and mends, a cluster in which files are stored,
// expired, purged, moved, copied and generated all the while: nothing of that is
// a finding, and nothing of it may be lost. Nothing is spared for its youth.
func TestWritersMeanwhile(t *testing.T) {
	for _, engine := range []string{"sqlite", "mariadb"} {
		t.Run(engine, func(t *testing.T) {
			f := newFixture(t, engine, engine == "mariadb")
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			var done atomic.Int64
			const writers = 4
			for n := range writers {
				running.Go(func() { f.write(ctx, n, &done) })
			}
			for round := range 6 {
				for before := done.Load(); done.Load() < before+50; {
					time.Sleep(time.Millisecond) // until there was something to be wrong about
				}
				mend := round%2 == 1
				found, summary := f.check(Options{Repair: mend, Delete: mend, Contents: round == 2})
				if len(found) > 0 || summary.Unchecked > 0 {
					t.Errorf("round %d: %q, %+v", round, summarize(found), summary)
				}
			}
			stop()
			running.Wait()
			if found, summary := f.check(Options{Contents: true}); len(found) > 0 || !summary.Clean() {
				t.Errorf("at the end: %q, %+v", summarize(found), summary)
			}
		})
	}
}

// write changes the files of one writer, who knows what each must hold, until
// ctx is done.
func (f *fixture) write(ctx context.Context, n int, done *atomic.Int64) {
	random := rand.New(rand.NewPCG(uint64(n), 7))
	holds := map[string][]byte{}
	name := func() string {
		prefix := onNFS
		if random.IntN(2) == 0 {
			prefix = onS3
		}
		return fmt.Sprintf("%sw%d/%d", prefix, n, random.IntN(8))
	}
	for ctx.Err() == nil {
		path, other := name(), name()
		err := error(nil)
		switch random.IntN(8) {
		case 0:
			_, err = f.Expire(ctx, path)
			delete(holds, path)
		case 1:
			_, err = f.Purge(ctx, path)
			delete(holds, path)
		case 2:
			if holds[path] != nil && path != other {
				_, err = f.Move(ctx, path, other)
				holds[other] = holds[path]
				delete(holds, path)
			}
		default:
			body := bytes.Repeat([]byte{byte('a' + random.IntN(26))}, 1+random.IntN(20))
			at := time.Unix(1e9+random.Int64N(1e8), 0)
			_, err = f.Store(ctx, path, bytes.NewReader(body), cluster.StoreOptions{ModTime: at})
			holds[path] = body
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
			f.Errorf("writer %d, %s: %v", n, path, err)
		}
		if ctx.Err() != nil {
			return // nobody knows whether the last one took place
		}
		if body, ok := holds[path]; ok {
			if got, err := f.ReadFile(f.Context(), path); err != nil || !bytes.Equal(got, body) {
				f.Errorf("writer %d: %s holds %q, %v, want %q", n, path, got, err, body)
			}
		}
		done.Add(1)
	}
}
