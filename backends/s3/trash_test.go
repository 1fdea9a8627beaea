package s3

import (
	"testing"

	"example.com/ezdfs/backends/backendtest"
)

func TestTrash(t *testing.T) {
	for _, prefix := range []string{"", "below/"} {
		set := testSettings(t)
		set.Prefix = prefix
		all := newBackend(t, set, quick)
		set.Trash = "/var-trash/bodies/"
		backendtest.RunTrash(t, newBackend(t, set, quick), all)
	}
}
