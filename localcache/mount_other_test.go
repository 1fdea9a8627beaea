//go:build !linux

package localcache

import "testing"

func mountTmpfs(t *testing.T, dir, size string) {
	t.Helper()
	t.Skip("a tmpfs can be mounted on Linux only")
}
