package cluster

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"testing"
)

// What a generator wrote in part, since the disk for temporary files failed, is
// not stored, whether or not the generator looked at what Write returned.
func TestGeneratorIgnoresErrorsOfWrite(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/site/storage/other", "so that the mount is not empty")
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "not there"))
	_, err := c.GetOrGenerate(t.Context(), page, func(_ context.Context, w io.Writer) error {
		fmt.Fprint(w, "head ")
		w.Write(bytes.Repeat([]byte("x"), spoolMemory))
		fmt.Fprint(w, " foot")
		return nil
	}, viewCache)
	if err == nil {
		t.Error("a page with a hole was taken for whole")
	}
	if text := c.contents(t, page); text != "<none>" {
		t.Errorf("%q was stored", text)
	}
	c.noLock(t)
}
