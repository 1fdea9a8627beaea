package delivery

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/internal/testservice"
)

// maria is shared by all tests of this package.
var maria = testservice.NewMariaDB(testservice.MariaDBOptions{})

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playWorker(role))
	}
	goleak.VerifyTestMain(testservice.Main(m, maria.Close, logging.Close))
}
