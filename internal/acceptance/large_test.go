package acceptance

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/internal/testservice"
)

// maxMemory is what a process may need for a body of any size.
const maxMemory = 100 << 20

// TestLargeBodies stores and reads bodies much larger than maxMemory, from a
// pipe and to a pipe, on all three stores; 5 GB each where the environment asks
// for it. Google's is a stand-in that speaks the resumable upload and discards
// the bytes, since the emulator keeps all of them in memory.
func TestLargeBodies(t *testing.T) {
	size := int64(256<<20 + 1)
	if os.Getenv("DFS_TEST_LARGE") != "" {
		size = 5<<30 + 1
	}
	s := newSite(t)
	sink := testservice.StartGCSSink(t)
	sink.Content = noise{}
	override := filepath.Join(s.root, "settings/override/dfsgcs.ini.append.php")
	if err := os.WriteFile(override, []byte("[BackendSettings]\nBucket=sink\nEndpoint="+sink.URL+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	s.run(t, "schema", "create")
	for _, part := range []string{elsewhere, images, originals} {
		path := part + "/large.bin"
		body := func() io.Reader { return io.NewSectionReader(noise{}, 0, size) }
		used := s.pipe(t, body(), io.Discard, "put", "-", path)
		t.Logf("put %s: %d MB", path, used>>20)

		sum := sha256.New()
		used = s.pipe(t, nil, sum, "cat", path)
		t.Logf("cat %s: %d MB", path, used>>20)
		want := sha256.New()
		io.Copy(want, body())
		if string(sum.Sum(nil)) != string(want.Sum(nil)) {
			t.Errorf("%s: other bytes", path)
		}
	}
}

// pipe runs dfsctl between two streams and returns how much memory it had at
// the most.
func (s *site) pipe(t *testing.T, in io.Reader, out io.Writer, args ...string) int64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), dfsctl, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout = s.root, in, out
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	used := int64(0)
	for look := time.NewTicker(10 * time.Millisecond); ; <-look.C {
		select {
		case err := <-ended:
			look.Stop()
			if err != nil {
				t.Fatalf("dfsctl %q: %v\n%s", args, err, &stderr)
			}
			if used > maxMemory || used == 0 {
				t.Errorf("dfsctl %q needed %d MB", args, used>>20)
			}
			return used
		default:
			used = max(used, peakMemory(cmd.Process.Pid))
		}
	}
}

// peakMemory returns the most memory that a running process had so far. What
// wait tells of an ended one includes its parent's, from before the exec.
func peakMemory(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	fmt.Sscan(rest, &kilobytes)
	return kilobytes << 10
}

// noise is an endless body that can be read anywhere: reproducible bytes, the
// same for whoever asks.
type noise struct{}

// ReadAt fills p from blocks that each depend on their own number alone.
func (noise) ReadAt(p []byte, offset int64) (int, error) {
	const block = 1 << 16
	for n := 0; n < len(p); {
		number, within := (offset+int64(n))/block, (offset+int64(n))%block
		var seed [32]byte
		seed[0], seed[1], seed[2], seed[3] = byte(number), byte(number>>8), byte(number>>16), byte(number>>24)
		var data [block]byte
		rand.NewChaCha8(seed).Read(data[:])
		n += copy(p[n:], data[within:])
	}
	return len(p), nil
}
