package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// site makes a site root with settings, an empty tree and tables.
func site(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"settings", "mount"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	ini := "[eZDFSClusteringSettings]\nMountPointPath=mount\nDBBackend=SQLite\nDBName=cluster.db\n"
	if err := os.WriteFile(filepath.Join(root, "settings", "file.ini"), []byte(ini), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(settings.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	config.Create = true
	store, err := metadata.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	return root
}

// ask makes a request and returns the answer's body and its X-Cache.
func ask(t *testing.T, method, url string) (body, cache string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s, %v", method, response.Status, data, err)
	}
	return string(data), response.Header.Get("X-Cache")
}

func TestEmbed(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	root := site(t)
	ctx, stop := context.WithCancel(t.Context())
	log := &lockedBuffer{}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, root, "127.0.0.1:0", slog.New(slog.NewTextHandler(log, nil))) }()
	url := waitForURL(t, log, ended)

	made, cache := ask(t, http.MethodGet, url)
	if cache != "generated" || !strings.Contains(made, "Made at") {
		t.Errorf("first: %s %q", cache, made)
	}
	if again, cache := ask(t, http.MethodGet, url); again != made || cache != "hit" {
		t.Errorf("second: %s %q", cache, again)
	}
	if answer, _ := ask(t, http.MethodDelete, url); answer != "expired 1\n" {
		t.Errorf("%q", answer)
	}
	if _, cache := ask(t, http.MethodGet, url); cache != "generated" {
		t.Errorf("after it expired: %s", cache)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for _, want := range []string{"event=deleteFile subject=" + pagePath, "event=deleteByNametrunk subject=" + pageTrunk} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the listener did not hear of %q:\n%s", want, log)
		}
	}
}

// waitForURL waits until the server says where it serves.
func waitForURL(t *testing.T, log *lockedBuffer, ended <-chan error) string {
	t.Helper()
	said := regexp.MustCompile(`url=(http://\S+)`)
	for {
		if found := said.FindStringSubmatch(log.String()); found != nil {
			return found[1]
		}
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
