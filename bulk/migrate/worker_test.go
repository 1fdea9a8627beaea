package migrate

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/settings"
)

// The test binary starts itself again as a process that migrates, to be killed:
// the settings are in this variable.
const workerVariable = "EZDFS_TEST_MIGRATE"

// workerLease is how long the ranges of one who was killed stay reserved.
const workerLease = 2 * time.Second

// workerProcess is another process that migrates.
type workerProcess struct {
	cmd    *exec.Cmd
	output bytes.Buffer
	done   chan error
}

// startWorker starts a process that migrates from nfs to s3 at so many files a
// second.
func startWorker(t *testing.T, s settings.Settings, rate int) *workerProcess {
	t.Helper()
	var encoded bytes.Buffer // gob, unlike JSON, keeps secrets
	if err := gob.NewEncoder(&encoded).Encode(s); err != nil {
		t.Fatal(err)
	}
	w := &workerProcess{cmd: exec.CommandContext(t.Context(), os.Args[0], strconv.Itoa(rate)), done: make(chan error, 1)}
	w.cmd.Env = append(os.Environ(), workerVariable+"="+base64.StdEncoding.EncodeToString(encoded.Bytes()))
	w.cmd.Stdout, w.cmd.Stderr = &w.output, &w.output
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { w.done <- w.cmd.Wait() }()
	return w
}

// kill ends the process as a power loss does.
func (w *workerProcess) kill() {
	w.cmd.Process.Kill()
	<-w.done
}

// playWorker is what the process does.
func playWorker(encoded string) error {
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return err
	}
	var s settings.Settings
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&s); err != nil {
		return err
	}
	rate, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, nil))
	c, err := cluster.Open(context.Background(), s, cluster.ForOneCommand(), cluster.WithLogger(logger))
	if err != nil {
		return err
	}
	defer c.Close()
	progress := new(bulk.Progress)
	m, err := New(c, prefix, "nfs", "s3", Options{
		Lease: workerLease, Limits: bulk.Limits{Rate: float64(rate)}, Progress: progress, Logger: logger,
	})
	if err != nil {
		return err
	}
	counts, err := m.Copy(context.Background())
	var failures strings.Builder
	for _, f := range progress.Failures() {
		fmt.Fprintf(&failures, "\n%s: %v", f.Path, f.Err)
	}
	if err == nil && counts.Failed > 0 {
		err = fmt.Errorf("%+v%s", counts, &failures)
	}
	return err
}
