package migrate

import (
	"testing"
	"time"

	"example.com/ezdfs/metadata"
)

// TestTimeToPublish: the rows of many small files are not locked for longer than
// others have patience, a large one has the time it takes to be put together.
func TestTimeToPublish(t *testing.T) {
	for _, test := range []struct {
		files int
		size  int64
		want  time.Duration
	}{
		{batchFiles, smallBody / 8, 30 * time.Second},
		{1, 16 << 20, 31 * time.Second},
		{1, 5 << 30, 30*time.Second + 320*time.Second},
	} {
		b := new(batch)
		for range test.files {
			b.files = append(b.files, &file{row: metadata.Row{Size: test.size}})
		}
		if got := b.publishTimeout(); got != test.want {
			t.Errorf("%d files of %d bytes: %v, want %v", test.files, test.size, got, test.want)
		}
	}
}
