package quickstart

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/quickstart/embedded"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/settings"
)

// The metrics of the GCS emulator start a goroutine with the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// newDir returns the directory of a quickstart that has ports which nobody else
// takes between two runs.
func newDir(t *testing.T) string {
	t.Helper()
	s, err := openSite(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	free := func() string { return fmt.Sprint("127.0.0.1:", testservice.FreePort(t)) }
	s.state.Ports = embedded.Addresses{S3: free(), GCS: free()}
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	return s.dir
}

// run runs a quickstart and returns its report.
func run(t *testing.T, dir string) (Report, error) {
	t.Helper()
	var out bytes.Buffer
	err := Run(t.Context(), Options{Dir: dir, JSON: true, Stdout: &out, Command: "dfsctl"})
	var report Report
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatalf("not one JSON document: %v\n%s", err, &out)
		}
	}
	return report, err
}

// mustRun is run where everything must be well.
func mustRun(t *testing.T, dir string) Report {
	t.Helper()
	report, err := run(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// served runs a quickstart with Serve, calls do while it serves, and ends it.
func served(t *testing.T, dir string, do func(*cluster.Cluster)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ready, out := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := Run(ctx, Options{Dir: dir, Serve: true, Stdout: out})
		out.CloseWithError(fmt.Errorf("it served no more: %w", err))
		result <- err
	}()
	if _, err := io.ReadFull(ready, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, ready)
	conf, err := settings.Load(settings.Options{Root: dir})
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Open(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	do(c)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-result; err != nil {
		t.Errorf("serving ended with %v", err)
	}
}

func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "place")
	report := mustRun(t, dir)
	if report.Verified != len(samples()) || report.Total != len(samples()) || len(report.Changed) > 0 || len(report.Notes) > 0 {
		t.Errorf("%d of %d verified of %d, changed %q, notes %q", report.Verified, report.Total, len(samples()), report.Changed, report.Notes)
	}
	where := map[string]int{}
	for _, file := range report.Files {
		want, rule := "nfs", ""
		switch {
		case strings.HasPrefix(file.Path, imagesPrefix):
			want, rule = "s3", imagesPrefix
		case strings.HasPrefix(file.Path, originalsPrefix):
			want, rule = "gcs", originalsPrefix
		}
		if got := file.Rule; file.Backend != want || (got == nil) != (rule == "") || got != nil && *got != rule {
			t.Errorf("%s is on %s by rule %v, want %s", file.Path, file.Backend, got, want)
		}
		if !file.Verified || file.DataType == "" || file.Scope == "" {
			t.Errorf("%+v", file)
		}
		where[file.Backend]++
	}
	if where["s3"] < 24 || where["gcs"] < 5 || where["nfs"] < 3 {
		t.Errorf("files per backend: %v", where)
	}
}

func TestSettingsAreFlawless(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, dir)
	for _, problem := range settings.Check(t.Context(), settings.Options{Root: dir}) {
		t.Error(problem)
	}
	files, err := filepath.Glob(filepath.Join(dir, "settings/override/*.ini.append.php"))
	if err != nil || len(files) != 4 {
		t.Fatalf("files %q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("<?php /* #?ini charset=\"utf-8\"?\n")) || !bytes.HasSuffix(text, []byte("\n*/ ?>\n")) {
			t.Errorf("%s is not wrapped in a PHP comment:\n%s", file, text)
		}
	}
}

func TestSecondRunChangesNothing(t *testing.T) {
	dir := newDir(t)
	first := mustRun(t, dir)
	edited := filepath.Join(dir, "settings/override/site.ini.append.php")
	if err := os.WriteFile(edited, []byte("[FileSettings]\nVarDir=var/site\n#mine\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	second := mustRun(t, dir)
	if second.S3 != first.S3 || second.GCS != first.GCS || second.Verified != first.Verified || len(second.Notes) > 0 {
		t.Errorf("second run: %s %s, %d verified, notes %q", second.S3, second.GCS, second.Verified, second.Notes)
	}
	if text, err := os.ReadFile(edited); err != nil || !strings.Contains(string(text), "#mine") {
		t.Errorf("the edited settings are now %q, %v", text, err)
	}
}

// A run that was interrupted before everything was verified is gone on with.
func TestInterruptedRun(t *testing.T) {
	dir := newDir(t)
	mustRun(t, dir)
	s, err := openSite(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.state.Files = nil
	if err := errors.Join(s.save(), os.RemoveAll(s.path("var"))); err != nil {
		t.Fatal(err)
	}
	if report := mustRun(t, dir); report.Verified != len(samples()) {
		t.Errorf("%d verified of %d", report.Verified, len(samples()))
	}
}

func TestTamperedBody(t *testing.T) {
	dir := newDir(t)
	mustRun(t, dir)
	body := filepath.Join(dir, mountDir, sampleCache)
	text, err := os.ReadFile(body)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(body, text, 0o666); err != nil {
		t.Fatal(err)
	}
	report, err := run(t, dir)
	if err == nil || !strings.Contains(err.Error(), sampleCache) || !strings.Contains(err.Error(), "nfs") {
		t.Errorf("error %v does not name %s on nfs", err, sampleCache)
	}
	if report.Verified != len(samples())-1 || report.Total != len(samples()) {
		t.Errorf("%d of %d verified", report.Verified, report.Total)
	}
}

// The same on an object store: its file keeps the size, the row too.
func TestLostObject(t *testing.T) {
	dir := newDir(t)
	mustRun(t, dir)
	if err := os.Remove(filepath.Join(dir, objectsFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, dir); err == nil || !strings.Contains(err.Error(), sampleImage) {
		t.Errorf("error %v does not name %s", err, sampleImage)
	}
}

func TestForeignDirectories(t *testing.T) {
	tests := []struct{ name, file, text string }{
		{"another file", "index.php", "<?php"},
		{"another version", stateFile, `{"ezdfs_quickstart": 99}`},
		{"a broken state", stateFile, `{`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, test.file)
			if err := os.WriteFile(file, []byte(test.text), 0o666); err != nil {
				t.Fatal(err)
			}
			for _, named := range []string{dir, file} { // a file is no directory
				if _, err := run(t, named); !errors.Is(err, ErrForeignDir) || !strings.Contains(err.Error(), named) {
					t.Errorf("%s: error %v", named, err)
				}
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("the directory now holds %v", entries)
			}
		})
	}
}

func TestOccupiedPort(t *testing.T) {
	dir := newDir(t)
	first := mustRun(t, dir)
	other, err := net.Listen("tcp", strings.TrimPrefix(first.S3, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	second := mustRun(t, dir)
	if second.S3 == first.S3 || second.GCS != first.GCS || second.Verified != first.Verified {
		t.Errorf("second run: S3 %s, GCS %s, %d verified", second.S3, second.GCS, second.Verified)
	}
	if len(second.Notes) != 1 || !strings.Contains(second.Notes[0], other.Addr().String()) {
		t.Errorf("notes %q do not name %s", second.Notes, other.Addr())
	}
	conf, err := settings.Load(settings.Options{Root: dir})
	if err != nil || conf.S3["s3"].Endpoint != second.S3 || conf.GCS["gcs"].Endpoint != second.GCS {
		t.Errorf("settings say %s and %s, %v", conf.S3["s3"].Endpoint, conf.GCS["gcs"].Endpoint, err)
	}
}

// What is stored and removed while it serves is so while it serves again.
func TestServe(t *testing.T) {
	dir := newDir(t)
	paths := []string{imagesPrefix + "/mine +%.txt", originalsPrefix + "/mine.txt", "var/site/mine.txt"}
	served(t, dir, func(c *cluster.Cluster) {
		for _, path := range paths {
			if _, err := c.Store(t.Context(), path, strings.NewReader(path), cluster.StoreOptions{}); err != nil {
				t.Error(err)
			}
		}
		if _, err := c.Expire(t.Context(), sampleImage); err != nil {
			t.Error(err)
		}
		if _, err := run(t, dir); err == nil || !strings.Contains(err.Error(), objectsFile+" is in use") {
			t.Errorf("a second run meanwhile: %v", err)
		}
	})
	served(t, dir, func(c *cluster.Cluster) {
		for _, path := range paths {
			if body, err := c.ReadFile(t.Context(), path); err != nil || string(body) != path {
				t.Errorf("%s is %q, %v", path, body, err)
			}
		}
		if ok, err := c.Exists(t.Context(), sampleImage); ok || err != nil {
			t.Errorf("%s exists again: %t, %v", sampleImage, ok, err)
		}
	})
	if report := mustRun(t, dir); !slices.Equal(report.Changed, []string{sampleImage}) || len(report.Notes) != 1 {
		t.Errorf("changed %q, notes %q", report.Changed, report.Notes)
	}
}

func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	getenv := func(name string) (string, bool) { return "production", name == "DFS_S3_BUCKET" }
	if err := Run(t.Context(), Options{Dir: dir, Stdout: &out, Getenv: getenv}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "note: variables of your environment override the settings") ||
		!strings.Contains(out.String(), "DFS_S3_BUCKET") {
		t.Errorf("no word of DFS_S3_BUCKET in\n%s", &out)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, Options{Dir: t.TempDir(), Stdout: io.Discard}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
