package s3

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
)

// A backend that may not abort uploads says what it leaves behind.
func TestUploadLeftBehind(t *testing.T) {
	var log strings.Builder
	policy := newPolicy()
	set := restricted(t, testSettings(t))
	b := newBackend(t, set, WithTransport(policy.wrap), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	staged, err := b.Stage(t.Context(), "a/large", bytes.NewReader(random(5<<20+1)), backends.Attributes{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := staged.Discard(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if left := gateway.Get(t).Uploads(t, set.Bucket); len(left) != 1 {
		t.Errorf("uploads left: %q, want one", left)
	}
	policy.check(t, "CreateMultipartUpload", "UploadPart")
	id := staged.(*upload).id
	for _, want := range []string{"level=WARN", "key=a/large", "upload_id=" + id, "s3:AbortMultipartUpload", "lifecycle"} {
		if !strings.Contains(log.String(), want) || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("log is %q, want one line with %q", log.String(), want)
		}
	}
	if err := staged.Publish(t.Context()); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Publish after Discard: %v, want fs.ErrInvalid", err)
	}
}

// The service refuses what the policy does not grant, so the suite that ran
// under it proves something.
func TestPolicyBites(t *testing.T) {
	set := restricted(t, testSettings(t))
	set.AbortUploads = true
	b := newBackend(t, set)
	staged, err := b.Stage(t.Context(), "large", bytes.NewReader(random(5<<20+1)), backends.Attributes{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Discard(t.Context()); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("AbortMultipartUpload without the permission: %v, want fs.ErrPermission", err)
	}
}
