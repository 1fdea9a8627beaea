package service

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/delivery"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// patience only ends a test that has failed.
const patience = time.Minute

// until waits for a condition.
func until(tb testing.TB, what string, met func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !met(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("it never came about that %s", what)
		}
	}
}

// Each kind of target is made of its settings and works.
func TestTargets(t *testing.T) {
	s, store := newSite(t)
	addTargets(t, &s)
	list, err := Targets(t.Context(), s, Source{Rows: store}, slog.New(slog.DiscardHandler))
	if err != nil || len(list) != 8 {
		t.Fatalf("%d targets, %v", len(list), err)
	}
	for i, target := range list {
		defer target.Close()
		if target.Name() != s.TargetNames()[i] {
			t.Errorf("%s in the place of %s", target.Name(), s.TargetNames()[i])
		}
		if text, err := delivery.Test(t.Context(), target); text == "" || err != nil {
			t.Errorf("%s: %q, %v", target.Name(), text, err)
		}
	}
}

// What is wrong with any target is said of each, and the others are there.
func TestWrongTargets(t *testing.T) {
	s, store := newSite(t)
	s.Targets.Webhook = map[string]settings.WebhookTarget{"webhook:a": {Name: "webhook:a", URL: "http://127.0.0.1:9/"}, "webhook:b": {Name: "webhook:b"}}
	s.Targets.Replicate = map[string]settings.Replicate{
		"replicate:own": {Name: "replicate:own", Backend: "nfs"}, "replicate:none": {Name: "replicate:none"}, "replicate:odd": {Name: "replicate:odd", Backend: "tape:1"},
		"replicate:link": {Name: "replicate:link", Backend: "nfs:link"}, "replicate:inside": {Name: "replicate:inside", Backend: "nfs:inside"},
	}
	if err := os.Symlink(s.DFS.MountPointPath, filepath.Join(s.Root, "link")); err != nil {
		t.Fatal(err)
	}
	s.NFS["nfs:link"] = settings.NFS{Name: "nfs:link", MountPointPath: filepath.Join(s.Root, "link")}
	s.NFS["nfs:inside"] = settings.NFS{Name: "nfs:inside", MountPointPath: filepath.Join(s.DFS.MountPointPath, "var")}
	list, err := Targets(t.Context(), s, Source{Rows: store}, nil)
	if len(list) != 1 || list[0].Name() != "webhook:a" || err == nil {
		t.Fatalf("%v, %v", list, err)
	}
	for _, want := range []string{
		"webhook:b: URL", "replicate:own: Backend nfs has the files of nfs, a store of the cluster itself", "replicate:none: Backend is not set",
		"replicate:odd: Backend names no store", "replicate:link: Backend nfs:link has the files of nfs", "replicate:inside: Backend nfs:inside has the files of nfs",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not among\n%v", want, err)
		}
	}
	for _, name := range []string{"tape:a", "webhook:none"} {
		if target, err := NewTarget(t.Context(), s, name, Source{}, nil); err == nil || target != nil {
			t.Errorf("%s: %v", name, target)
		}
	}
	s.CDN.Rules = []settings.Rule{{Prefix: "var/", Backend: "webhook:a"}}
	if _, err := New(t.Context(), s, Options{Store: store}); err == nil || !strings.Contains(err.Error(), "webhook:b") {
		t.Error(err)
	}
}

// A replica whose store is away is unavailable until it is there, and so is
// one that has nothing to compare with.
func TestReplicaOpensLate(t *testing.T) {
	s, store := newSite(t)
	put(t, s, store, false, "var/a.png")
	mirror := s.NFS["nfs:mirror"].MountPointPath
	if err := os.Rename(mirror, mirror+".away"); err != nil {
		t.Fatal(err)
	}
	s.Targets.Replicate = map[string]settings.Replicate{"replicate:a": {Name: "replicate:a", Backend: "nfs:mirror", Concurrency: 1}}
	target, err := NewTarget(t.Context(), s, "replicate:a", Source{Rows: store}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	batch := []cdn.Item{{Action: cdn.Push, Extent: cdn.Path, Subject: "var/a.png"}, {Action: cdn.Push, Extent: cdn.Path, Subject: "var/b.png"}}
	for _, err := range target.Deliver(t.Context(), batch) {
		if !errors.Is(err, cdn.ErrUnavailable) || !strings.Contains(err.Error(), "mirror") {
			t.Error(err)
		}
	}
	if _, err := target.Test(t.Context()); !errors.Is(err, cdn.ErrUnavailable) {
		t.Error(err)
	}
	if err := os.Rename(mirror+".away", mirror); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(target.Deliver(t.Context(), batch)...); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(filepath.Join(mirror, "var/a.png")); string(data) != "var/a.png" {
		t.Errorf("%q, %v", data, err)
	}
	blind, err := NewTarget(t.Context(), s, "replicate:a", Source{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer blind.Close()
	if err := blind.Deliver(t.Context(), batch[:1])[0]; err == nil || errors.Is(err, cdn.ErrRefused) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(mirror, "var/a.png")); err != nil {
		t.Errorf("without rows, files are deleted: %v", err)
	}
}

// The changes of a site get to its targets, and Run ends with its context.
func TestRun(t *testing.T) {
	s, store := newSite(t)
	apis := addTargets(t, &s)
	s.Changes.PollInterval = 10 * time.Millisecond
	s.CDN.Rules = []settings.Rule{{Prefix: "var/", Backend: "replicate:a>webhook:a,fastly:a"}}
	push, err := New(t.Context(), s, Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- push.Run(ctx) }()
	until(t, "the feed has a position", func() bool {
		owner, position, err := store.DeliveryFeed(t.Context())
		return err == nil && owner != "" && position != ""
	})
	put(t, s, store, false, "var/a.png")
	err = store.Update(t.Context(), func(tx *metadata.Tx) error {
		return tx.Record(metadata.Change{Kind: metadata.KindStore, Subject: "var/a.png", Scope: "image"})
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "all are told", func() bool {
		stats, err := store.DeliveryStats(t.Context(), "replicate:a", "webhook:a", "fastly:a")
		return err == nil && stats[0].Delivered+stats[1].Delivered+stats[2].Delivered == 3
	})
	if apis["webhook:a"].Calls() == 0 || apis["fastly:a"].Calls() == 0 {
		t.Error("it was not called")
	}
	cancel()
	if err := errors.Join(<-ended, push.Close()); err != nil {
		t.Error(err)
	}
}

// Keep says why nothing is delivered, tries again, and ends when it is told to.
func TestKeep(t *testing.T) {
	s, store := newSite(t)
	s.Targets.Webhook = map[string]settings.WebhookTarget{"webhook:a": {Name: "webhook:a", URL: "http://127.0.0.1:9/"}}
	s.CDN.DefaultTargets, s.Changes.Source = "webhook:a", "none"
	logged := make(lines, 100)
	push, err := New(t.Context(), s, Options{Store: store, Logger: slog.New(slog.NewTextHandler(logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer push.Close()
	if err := push.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "Source=none") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); push.Keep(ctx) }()
	if line := <-logged; !strings.Contains(line, "level=ERROR") || !strings.Contains(line, "Source=none") {
		t.Error(line)
	}
	cancel()
	<-ended
}

// lines is a writer that passes lines on.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(bytes.TrimSpace(p))
	return len(p), nil
}

// Nothing is configured without rules.
func TestConfigured(t *testing.T) {
	s, store := newSite(t)
	if Configured(s) {
		t.Error("without rules")
	}
	if _, err := New(t.Context(), s, Options{Store: store}); err == nil || !strings.Contains(err.Error(), "has no rules") {
		t.Error(err)
	}
	s.CDN.DefaultTargets = "webhook:a"
	if !Configured(s) {
		t.Error("with a default")
	}
}
