package gateway_test

import (
	"regexp"
	"testing"

	"example.com/ezdfs/gateway"
	"example.com/ezdfs/gateway/gatewaytest"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/internal/testservice/fakegcs"
	"example.com/ezdfs/settings"
)

func TestConformance(t *testing.T) {
	c, o := tableCluster(t)
	gatewaytest.Run(t, serve(t, gateway.New(c, o)).URL)
}

// TestConformanceOnBuckets: what a client sees does not depend on the store.
func TestConformanceOnBuckets(t *testing.T) {
	onBackend := func(name string) func(*settings.Settings) {
		return func(s *settings.Settings) {
			s.DFS.DFSBackend = "eZDFSFileHandlerDFSDispatcher"
			s.Dispatch.PathBackends = []settings.Rule{{Prefix: "var/site/storage/", Backend: name}}
		}
	}
	t.Run("s3", func(t *testing.T) {
		service := testservice.StartVersityGW(t)
		c, o := tableCluster(t, onBackend("s3"), func(s *settings.Settings) {
			s.S3 = map[string]settings.S3{"s3": {
				Name: "s3", Bucket: service.Bucket(t), Endpoint: service.Endpoint, UsePathStyleEndpoint: true, Region: service.Region,
				AccessKeyID: service.AccessKey, SecretAccessKey: settings.Secret(service.SecretKey), PartSize: 5 << 20, Concurrency: 2,
			}}
		})
		gatewaytest.Run(t, serve(t, gateway.New(c, o)).URL)
	})
	t.Run("gcs", func(t *testing.T) {
		service := fakegcs.Start(t, nil)
		service.Bucket("bucket")
		c, o := tableCluster(t, onBackend("gcs"), func(s *settings.Settings) {
			s.GCS = map[string]settings.GCS{"gcs": {Name: "gcs", Bucket: "bucket", Endpoint: service.URL}}
		})
		gatewaytest.Run(t, serve(t, gateway.New(c, o)).URL)
	})
}

func TestHostileRequests(t *testing.T) {
	c, o := tableCluster(t)
	gatewaytest.RunHostile(t, serve(t, gateway.New(c, o)).URL)
}

// TestTables makes sure that the tables say what they are meant to say.
func TestTables(t *testing.T) {
	cases, err := gatewaytest.Cases()
	if err != nil || len(cases) < 120 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	names := map[string]bool{}
	for _, c := range cases {
		if !regexp.MustCompile(`^(9110|9111|9112|3986|6266) \d+(\.\d+)*$`).MatchString(c.RFC) {
			t.Errorf("%s: cites %q", c.Name, c.RFC)
		}
		if names[c.RFC+c.Name] {
			t.Errorf("%s %s stands there twice", c.RFC, c.Name)
		}
		names[c.RFC+c.Name] = true
	}
	if hostile, err := gatewaytest.HostileRequests(); err != nil || len(hostile) < 60 {
		t.Errorf("%d hostile requests, %v", len(hostile), err)
	}
}
