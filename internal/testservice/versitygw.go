package testservice

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// VersityGW is a running versitygw, an S3 service over a directory. It speaks
// path style only.
type VersityGW struct {
	Endpoint  string
	AccessKey string
	SecretKey string
	Region    string

	port int
	root string // a directory a bucket
	iam  string // the directory of the users
	args []string
	run  *Process

	mu      sync.Mutex
	buckets int
	users   int
}

// StartVersityGW starts a versitygw that ends with the test. Extra arguments
// are global options of the command.
func StartVersityGW(tb testing.TB, args ...string) *VersityGW {
	tb.Helper()
	g := &VersityGW{
		AccessKey: "testaccess", SecretKey: "testsecret", Region: "us-east-1",
		port: FreePort(tb), root: tb.TempDir(), iam: tb.TempDir(), args: args,
	}
	g.Endpoint = fmt.Sprintf("http://127.0.0.1:%d", g.port)
	g.Start(tb)
	return g
}

// Start starts the service again after Stop, with what it held before.
func (g *VersityGW) Start(tb testing.TB) {
	tb.Helper()
	args := append([]string{
		"--port", fmt.Sprintf("127.0.0.1:%d", g.port), "--access", g.AccessKey, "--secret", g.SecretKey,
		"--region", g.Region, "--iam-dir", g.iam, "--keep-alive", "--quiet",
	}, g.args...)
	cmd := exec.Command(Binary(tb, "versitygw"), append(args, "posix", g.root)...)
	g.run = Start(tb, cmd, func() error {
		_, err := g.client().ListBuckets(context.Background(), nil)
		return err
	})
}

// Stop ends the service without losing what it holds: connections are refused
// until Start.
func (g *VersityGW) Stop() { g.run.Kill() }

// Pause makes the service hang: connections are accepted and nothing answers,
// until Resume.
func (g *VersityGW) Pause() { g.run.Signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (g *VersityGW) Resume() { g.run.Signal(syscall.SIGCONT) }

// Bucket makes an empty bucket of a name of its own.
func (g *VersityGW) Bucket(tb testing.TB) string {
	tb.Helper()
	g.mu.Lock()
	g.buckets++
	name := fmt.Sprintf("bucket-%d", g.buckets)
	g.mu.Unlock()
	if _, err := g.client().CreateBucket(tb.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		tb.Fatalf("versitygw: %v", err)
	}
	return name
}

// Dir is the directory that holds a bucket's objects as files.
func (g *VersityGW) Dir(bucket string) string { return filepath.Join(g.root, bucket) }

// Uploads lists the keys of the bucket's multipart uploads that are neither
// complete nor aborted.
func (g *VersityGW) Uploads(tb testing.TB, bucket string) []string {
	tb.Helper()
	// Clean-ups ask too, when the test's own context has ended.
	ctx := context.WithoutCancel(tb.Context())
	out, err := g.client().ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil {
		tb.Fatalf("versitygw: %v", err)
	}
	var keys []string
	for _, upload := range out.Uploads {
		keys = append(keys, aws.ToString(upload.Key))
	}
	return keys
}

// User makes a user who may do nothing but the given actions in the bucket:
// those named s3:…Object… on its objects, all others on the bucket itself.
// A bucket has one such user, the last.
func (g *VersityGW) User(tb testing.TB, bucket string, actions ...string) (accessKey, secretKey string) {
	tb.Helper()
	g.mu.Lock()
	g.users++
	accessKey, secretKey = fmt.Sprintf("user%d", g.users), fmt.Sprintf("usersecret%d", g.users)
	g.mu.Unlock()
	cmd := exec.CommandContext(tb.Context(), Binary(tb, "versitygw"), "admin", "--access", g.AccessKey, "--secret", g.SecretKey,
		"--endpoint-url", g.Endpoint, "create-user", "--access", accessKey, "--secret", secretKey, "--role", "user")
	if output, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("versitygw admin create-user: %v\n%s", err, output)
	}
	policy, err := json.Marshal(bucketPolicy(bucket, accessKey, actions))
	if err != nil {
		tb.Fatal(err)
	}
	_, err = g.client().PutBucketPolicy(tb.Context(), &s3.PutBucketPolicyInput{
		Bucket: aws.String(bucket), Policy: aws.String(string(policy)),
	})
	if err != nil {
		tb.Fatalf("versitygw: %v", err)
	}
	return accessKey, secretKey
}

func bucketPolicy(bucket, user string, actions []string) any {
	type statement struct{ Effect, Principal, Resource, Action any }
	var statements []statement
	for _, action := range actions {
		resource := "arn:aws:s3:::" + bucket
		if strings.Contains(action, "Object") {
			resource += "/*"
		}
		statements = append(statements, statement{"Allow", map[string]any{"AWS": []string{user}}, resource, action})
	}
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}

// client returns a client with the rights of the service's owner.
func (g *VersityGW) client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(g.Endpoint), Region: g.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(g.AccessKey, g.SecretKey, ""),
	})
}

// SharedVersityGW is one versitygw for all tests of a package, started by the
// first that needs it and ended by Close, which TestMain calls.
type SharedVersityGW struct {
	once     sync.Once
	gateway  *VersityGW
	cleanups []func()
}

// Get returns the service.
func (s *SharedVersityGW) Get(tb testing.TB) *VersityGW {
	tb.Helper()
	s.once.Do(func() { s.gateway = StartVersityGW(sharedTB{tb, s}) })
	if s.gateway == nil {
		Missing(tb, "versitygw did not start for an earlier test")
	}
	return s.gateway
}

// sharedTB makes what belongs to one test last until Close.
type sharedTB struct {
	testing.TB
	shared *SharedVersityGW
}

// Cleanup registers f for Close.
func (tb sharedTB) Cleanup(f func()) { tb.shared.cleanups = append(tb.shared.cleanups, f) }

// TempDir returns a directory that Close removes.
func (tb sharedTB) TempDir() string {
	dir, err := os.MkdirTemp("", "versitygw")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Close ends the service where one was started.
func (s *SharedVersityGW) Close() {
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		s.cleanups[i]()
	}
}
