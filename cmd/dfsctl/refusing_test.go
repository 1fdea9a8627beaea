package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// refusingS3 is an S3 server that refuses what refuse says, with 403.
func refusingS3(t *testing.T) (endpoint string, refuse *atomic.Value) {
	t.Helper()
	store := s3mem.New()
	if err := store.CreateBucket("media"); err != nil {
		t.Fatal(err)
	}
	handler := gofakes3.New(store).Server()
	refuse = new(atomic.Value)
	refuse.Store(func(*http.Request) bool { return false })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse.Load().(func(*http.Request) bool)(r) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>AccessDenied</Code></Error>")
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, refuse
}

// deletes tells requests that delete.
func deletes(r *http.Request) bool {
	return r.Method == http.MethodDelete || r.Method == http.MethodPost && r.URL.Query().Has("delete")
}

// newBucketSite makes a site whose images lie in a bucket, beside one mount.
func newBucketSite(t *testing.T, endpoint, rules string, files ...string) string {
	t.Helper()
	root := newSite(t, files...)
	writeFile(t, filepath.Join(root, "settings/override/dfsamazons3.ini.append"), fmt.Sprintf(bucketSettings, endpoint))
	writeRules(t, root, rules)
	return root
}

func writeRules(t *testing.T, root, rules string) {
	t.Helper()
	writeFile(t, filepath.Join(root, "settings/override/file.ini.append"),
		"[eZDFSClusteringSettings]\nDFSBackend=eZDFSFileHandlerDFSDispatcher\n[DispatchableDFS]\nDefaultBackend=eZDFSFileHandlerDFSBackend\n"+rules)
}

// TestMigrateNamesWhatStays: what --delete-source could not delete is named, with
// the reason.
func TestMigrateNamesWhatStays(t *testing.T) {
	endpoint, refuse := refusingS3(t)
	const images = "var/site/storage/images"
	root := newBucketSite(t, endpoint, "PathBackends["+images+"]=s3\n", images+"/a", images+"/b")
	dfsctl(t, root, exitDone, "clusterize", images)
	writeRules(t, root, "PathBackends["+images+"]=nfs\nMigrateFrom["+images+"]=s3\n")
	dfsctl(t, root, exitDone, "migrate", images, "--from", "s3", "--to", "nfs")
	refuse.Store(deletes)
	finish := []string{"migrate", images, "--from", "s3", "--to", "nfs", "--finish", "--delete-source"}
	stdout, stderr := dfsctl(t, root, exitFailed, finish...)
	for _, want := range []string{"verified 2 files on nfs, 0 failed; ", "deleted 0 files, 0 bytes, of s3; 0 kept, 2 failed; "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("printed %q, not %q", stdout, want)
		}
	}
	for _, want := range []string{`dfsctl: "` + images + `/a": `, `dfsctl: "` + images + `/b": `, "AccessDenied", "dfsctl: 2 files of s3 could not be deleted"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("said %q, not %q", stderr, want)
		}
	}
	stdout, _ = dfsctl(t, root, exitFailed, append(finish, "--json")...)
	if !strings.Contains(stdout, `"name":"`+images+`/a"}`) || !strings.Contains(stdout, `{"source":{"deleted":0,"bytes":0,"kept":0,"failed":2,"seconds":`) {
		t.Errorf("printed %q", stdout)
	}
	refuse.Store(func(*http.Request) bool { return false })
	dfsctl(t, root, exitDone, finish...)
}

// TestStoreDown: a bucket that is not there costs one error and not one for each
// file; the files of other stores are stored.
func TestStoreDown(t *testing.T) {
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	defer server.Close()
	const images = "var/site/storage/images"
	var files []string
	for i := range 250 {
		files = append(files, fmt.Sprintf("%s/%d.png", images, i))
	}
	root := newBucketSite(t, server.URL, "PathBackends["+images+"]=s3\n", append(files, "var/site/storage/text")...)
	stdout, stderr := dfsctl(t, root, exitFailed, "clusterize", "var/site/storage", "--json", "--patience", "0", "--progress", "none")
	if !strings.HasPrefix(stdout, `{"summary":{"done":1,"skipped":0,"failed":0,"left":250,`) {
		t.Errorf("printed %q", stdout)
	}
	if !strings.HasPrefix(stderr, "dfsctl: 250 files were left; once s3 works again, the same command goes on: s3: ping: store unavailable: ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("said %q", stderr)
	}
}
