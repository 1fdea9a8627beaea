package backendtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	backendtest.Run(t, backendtest.Harness{
		New: func(*testing.T) backends.Backend { return backendtest.NewMemory("memory") },
		Staged: func(_ *testing.T, b backends.Backend) []string {
			return b.(*backendtest.Memory).Staged()
		},
		Break: func(_ *testing.T, b backends.Backend) func() {
			b.(*backendtest.Memory).SetDown(true)
			return func() { b.(*backendtest.Memory).SetDown(false) }
		},
		KeepsModTime:     true,
		ListsModTime:     true,
		KeepsContentType: true,
	})
}

func ExampleMemory() {
	m := backendtest.NewMemory("memory")
	m.SetDown(true)
	_, err := m.Stat(context.Background(), "var/a")
	fmt.Println(errors.Is(err, backends.ErrUnavailable), err)
	// Output: true memory: stat "var/a": store unavailable: set down
}
