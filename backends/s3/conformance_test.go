package s3

import (
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, backendtest.Harness{
		New:               func(t *testing.T) backends.Backend { return newBackend(t, testSettings(t)) },
		KeepsModTime:      true,
		KeepsContentType:  true,
		DirectoryConflict: true, // versitygw keeps objects as files
	})
}
