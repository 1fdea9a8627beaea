package s3

import (
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/settings"
)

// gateway is the versitygw of all tests.
var gateway testservice.SharedVersityGW

// mainTests stops the service before leaked goroutines are looked for.
type mainTests struct{ *testing.M }

func (m mainTests) Run() int {
	defer gateway.Close()
	return m.M.Run()
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(mainTests{m}) }

// testSettings are settings of a bucket of its own on the shared service.
func testSettings(tb testing.TB) settings.S3 {
	tb.Helper()
	return settingsOn(tb, gateway.Get(tb))
}

func settingsOn(tb testing.TB, g *testservice.VersityGW) settings.S3 {
	tb.Helper()
	return settings.S3{
		Name: "s3", AccessKeyID: g.AccessKey, SecretAccessKey: settings.Secret(g.SecretKey),
		Bucket: g.Bucket(tb), Region: g.Region, Endpoint: g.Endpoint, UsePathStyleEndpoint: true,
		PartSize: 5 << 20, Concurrency: 4,
	}
}

// newBackend returns the backend of set, closed at the end of the test.
func newBackend(tb testing.TB, set settings.S3, opts ...Option) *Backend {
	tb.Helper()
	b, err := New(tb.Context(), set, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Close() })
	return b
}
