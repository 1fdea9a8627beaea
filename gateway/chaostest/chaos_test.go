package chaostest

import (
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/internal/testservice"
)

var mariaDB = testservice.NewMariaDB(testservice.MariaDBOptions{})

func TestMain(m *testing.M) { goleak.VerifyTestMain(testservice.Main(m, mariaDB.Close)) }

// outage is how long a service is away at least.
func outage() time.Duration {
	if os.Getenv("DFS_TEST_LONG") != "" {
		return time.Minute
	}
	return time.Second
}

// The kinds of files that the clients ask for.
const (
	hot    = "small on NFS"                        // known by its row, its body in memory
	large  = "large on NFS"                        // known by its row
	hotS3  = "small on S3"                         // known by its row, its body in memory
	largeS = "large on S3"                         // known by its row
	ranged = "a range of the large one on NFS"     //
	asked  = "the large one on NFS, not modified"  // the row decides
	absent = "another path each time, which is no" // costs a question
)

// calm is what is served when all is well.
var calm = expectation{hot: {200}, large: {200}, hotS3: {200}, largeS: {200}, ranged: {206}, asked: {304}, absent: {404}}

// with returns an expectation in which some kinds get other answers.
func (e expectation) with(changes expectation) expectation {
	changed := expectation{}
	for kind, statuses := range e {
		changed[kind] = statuses
	}
	for kind, statuses := range changes {
		changed[kind] = statuses
	}
	return changed
}

func TestChaos(t *testing.T) {
	mariaDB.Start(t)
	s3 := testservice.StartVersityGW(t)
	before := resources(t)
	g := start(t, s3)
	clients := g.load(t)
	clients.expect("at first", 0, calm, unmarked)

	databaseDown := calm.with(expectation{absent: {503}})
	storeDown := calm.with(expectation{largeS: {503}})
	for _, event := range []struct {
		name      string
		begin     func()
		meanwhile expectation
		marks     marks
		end       func()
	}{
		{"MariaDB is stopped", mariaDB.Stop, databaseDown, marked, func() { mariaDB.Start(t) }},
		{"MariaDB hangs", mariaDB.Pause, databaseDown, marked, mariaDB.Resume},
		{"versitygw is stopped", s3.Stop, storeDown, unmarked, func() { s3.Start(t) }},
		{"versitygw hangs", s3.Pause, storeDown, unmarked, s3.Resume},
		{"both hang", func() { mariaDB.Pause(); s3.Pause() },
			databaseDown.with(storeDownOnly), marked, func() { mariaDB.Resume(); s3.Resume() }},
	} {
		event.begin()
		clients.settle(event.name, event.meanwhile, event.marks)
		clients.expect(event.name, outage(), event.meanwhile, event.marks)
		event.end()
		clients.settle("after: "+event.name, calm, unmarked)
		clients.expect("after: "+event.name, 0, calm, unmarked)
	}
	clients.stop()
	g.stop(t)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		after := resources(t)
		if after.files <= before.files && after.goroutines <= before.goroutines {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v at the end, %+v before", after, before)
		}
	}
}

var storeDownOnly = expectation{largeS: {503}}

// usage is what a process must not leak.
type usage struct{ files, goroutines int }

func resources(t *testing.T) usage {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no list of open files: %v", err)
	}
	return usage{len(files), runtime.NumGoroutine()}
}
