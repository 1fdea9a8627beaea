package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
)

var concurrentTests = []test{
	{"writers of one path", writersOfOnePath},
	{"many stages", func(t *testing.T, h Harness, s store) {
		bodies := make([][]byte, 40)
		err := parallel(len(bodies), len(bodies), func(i int) error {
			bodies[i] = random(uint64(100+i), 1000*i)
			return s.write(t, fmt.Sprintf("shared/dir/%02d", i), bodies[i])
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, body := range bodies {
			if got := s.read(t, fmt.Sprintf("shared/dir/%02d", i), 0, -1); !bytes.Equal(got, body) {
				t.Errorf("body %d differs", i)
			}
		}
		s.wantNothingStaged(t)
	}},
	{"writers and deleters of one directory", func(t *testing.T, h Harness, s store) {
		err := parallel(8, 200, func(i int) error {
			path := fmt.Sprintf("dir/%d/sub/file", i%4)
			if i%2 == 0 {
				return s.Delete(t.Context(), []string{path})
			}
			return s.write(t, path, []byte("body"))
		})
		if err != nil {
			t.Fatal(err)
		}
		s.wantNothingStaged(t)
	}},
	{"deleters of the same paths", func(t *testing.T, h Harness, s store) {
		var paths []string
		for i := range 30 {
			paths = append(paths, fmt.Sprintf("dir/%d/file", i))
			s.put(t, paths[i], "x")
		}
		err := parallel(6, 6, func(int) error { return s.Delete(t.Context(), paths) })
		if err != nil {
			t.Fatal(err)
		}
		if got := s.list(t, "", ""); len(got) > 0 {
			t.Errorf("left: %q", got)
		}
	}},
}

// writersOfOnePath lets writers of one path race with readers of it: what is
// read is always one of the bodies, whole.
func writersOfOnePath(t *testing.T, h Harness, s store) {
	bodies := make([][]byte, 5)
	for i := range bodies {
		bodies[i] = bytes.Repeat([]byte{byte('a' + i)}, 20_000+1000*i)
	}
	one := func(body []byte) bool {
		return slices.ContainsFunc(bodies, func(b []byte) bool { return bytes.Equal(b, body) })
	}
	s.putWith(t, "a/shared", bodies[0], unknown)
	err := parallel(8, 100, func(i int) error {
		if i%2 == 0 {
			return s.write(t, "a/shared", bodies[i/2%len(bodies)])
		}
		r, err := s.Open(t.Context(), "a/shared", 0, -1)
		if err != nil {
			return err
		}
		defer r.Close()
		body, err := io.ReadAll(r)
		if err == nil && (!one(body) || r.Info().Size != int64(len(body))) {
			return fmt.Errorf("read %d bytes beginning %.10q of a body of %d", len(body), body, r.Info().Size)
		}
		if errors.Is(err, backends.ErrChanged) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if body := s.read(t, "a/shared", 0, -1); !one(body) {
		t.Errorf("at the end: %d bytes that nobody wrote", len(body))
	}
	s.wantNothingStaged(t)
}

// parallel calls do for 0 to n-1 in as many goroutines as workers, and
// returns the first error.
func parallel(workers, n int, do func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(workers)
	for i := range n {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}

// write is put for other goroutines than the test's.
func (s store) write(t *testing.T, path string, body []byte) error {
	staged, err := s.Stage(t.Context(), path, bytes.NewReader(body), backends.Attributes{Size: int64(len(body))})
	if err != nil {
		return err
	}
	return errors.Join(staged.Publish(t.Context()), staged.Discard(t.Context()))
}
