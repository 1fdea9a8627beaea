package gcs

import (
	"testing"

	"example.com/ezdfs/backends/backendtest"
)

func TestTrash(t *testing.T) {
	cfg := startService(t).config(t)
	all := newBackend(t, cfg)
	cfg.Trash = "/var-trash/bodies/"
	backendtest.RunTrash(t, newBackend(t, cfg), all)
}
