package s3

import (
	"os"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/settings"
)

// versityHarness is the suite on versitygw. It keeps objects as files: of the
// names "a" and "a/b" only one can be an object. It ignores encoding-type=url,
// and XML cannot list a key with a control character.
func versityHarness(open func(t *testing.T, set settings.S3) *Backend) backendtest.Harness {
	return backendtest.Harness{
		New:               func(t *testing.T) backends.Backend { return open(t, testSettings(t)) },
		Break:             hideBucket,
		KeepsModTime:      true,
		KeepsContentType:  true,
		DirectoryConflict: true,
		StagesInMemory:    true,
		ChecksSignatures:  true,
		Unsupported: func(path string) bool {
			return path == ".hidden/.file" || strings.ContainsRune(path, '\a') // .hidden is a body of the suite
		},
	}
}

// hideBucket makes the bucket of b one that does not exist.
func hideBucket(t *testing.T, b backends.Backend) (mend func()) {
	dir := gateway.Get(t).Dir(b.(*Backend).set.Bucket)
	if err := os.Rename(dir, dir+"-hidden"); err != nil {
		t.Fatal(err)
	}
	b.(*Backend).bucketSeen.Store(0) // as if the last answer were long ago
	return func() {
		if err := os.Rename(dir+"-hidden", dir); err != nil {
			t.Fatal(err)
		}
	}
}

// The suite under the IAM policy of contract section 6: the transport refuses
// everything beyond it, and so does the service to the user of the suite.
func TestConformance(t *testing.T) {
	policy := newPolicy()
	backendtest.Run(t, versityHarness(func(t *testing.T, set settings.S3) *Backend {
		return newBackend(t, restricted(t, set), WithTransport(policy.wrap), quick)
	}))
	policy.check(t, "CompleteMultipartUpload", "CopyObject", "CreateMultipartUpload", "DeleteObjects",
		"GetObject", "HeadObject", "ListObjectsV2", "PutObject", "UploadPart")
}

// The suite with everything else that settings change: keys below a prefix,
// copies by parts, and uploads that are aborted, so that none is left.
func TestConformanceByParts(t *testing.T) {
	policy := newPolicy("AbortMultipartUpload")
	h := versityHarness(func(t *testing.T, set settings.S3) *Backend {
		set.Prefix, set.AbortUploads = "pre fix+%/\u00e9/", true
		g := gateway.Get(t)
		t.Cleanup(func() {
			if left := g.Uploads(t, set.Bucket); len(left) > 0 {
				t.Errorf("uploads left behind: %q", left)
			}
		})
		return newBackend(t, set, quick, WithTransport(policy.wrap),
			withLimits(func(l *limits) { l.maxCopy, l.copyPart = 6<<20, 5<<20 }))
	})
	h.ManyPaths = 1100
	backendtest.Run(t, h)
	policy.check(t, "AbortMultipartUpload", "CompleteMultipartUpload", "CopyObject", "CreateMultipartUpload",
		"DeleteObjects", "GetObject", "HeadObject", "ListObjectsV2", "PutObject", "UploadPart", "UploadPartCopy")
}
