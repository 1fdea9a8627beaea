package migrate

import (
	"context"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/settings"
)

// TestNothingToReach: whoever has named a bucket that is not there, or a wrong key,
// is told which at once, whatever was to be done; the command adds the settings to
// look at.
func TestNothingToReach(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*settings.S3)
		want   string
	}{
		"missing bucket": {func(s *settings.S3) { s.Bucket = "not-there" }, "s3: ping: store unavailable: NoSuchBucket"},
		"refused key":    {func(s *settings.S3) { s.SecretAccessKey = "wrong" }, "s3: ping: store unavailable: SignatureDoesNotMatch"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, false, "s3")
			store(t, s.host(t, "nfs", ""), prefix+"/file", "body")
			set := s.S3["s3"]
			test.change(&set)
			s.S3 = map[string]settings.S3{"s3": set}
			c, err := cluster.Open(t.Context(), s.rules("s3", "nfs"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			// Patience would outlast the test.
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for step, do := range map[string]func(*Migration) error{
				"copy":   func(m *Migration) error { _, err := m.Copy(ctx); return err },
				"verify": func(m *Migration) error { _, err := m.Verify(ctx); return err },
				"delete": func(m *Migration) error { _, err := m.DeleteSource(ctx); return err },
			} {
				err := do(move(t, c, "nfs", "s3", Options{Patience: time.Hour}))
				if err == nil || !strings.HasPrefix(err.Error(), test.want) {
					t.Errorf("%s: %v, want %s", step, err, test.want)
				}
			}
			wantOn(t, s, "nfs", []string{prefix + "/file"}, "body")
		})
	}
}
