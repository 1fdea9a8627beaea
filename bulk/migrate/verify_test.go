package migrate

import (
	"errors"
	"testing"
)

// TestVerifyBeforeACopy names no file by itself: nothing has been copied at all.
func TestVerifyBeforeACopy(t *testing.T) {
	s := newSite(t, false, "nfs:new")
	store(t, s.host(t, "nfs", ""), prefix+"/1", "body")
	c := s.host(t, "nfs:new", "nfs")
	if counts, err := move(t, c, "nfs", "nfs:new", Options{}).Verify(t.Context()); !errors.Is(err, ErrNotCopied) || counts.Total() != 0 {
		t.Errorf("%+v, %v", counts, err)
	}
	for _, step := range []func(*Migration) error{
		func(m *Migration) error { _, err := m.Copy(t.Context()); return err },
		func(m *Migration) error { _, err := m.Verify(t.Context()); return err },
	} {
		if err := step(move(t, c, "nfs", "nfs:new", Options{})); err != nil {
			t.Error(err)
		}
	}
}
