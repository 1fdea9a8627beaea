package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"example.com/ezdfs/cdn/cdntest"
	fastlytest "example.com/ezdfs/cdn/cdntest/fastly"
	webhooktest "example.com/ezdfs/cdn/cdntest/webhook"
	"example.com/ezdfs/gateway/surrogate"
)

// standIns are the services that a script's targets deliver to.
type standIns struct {
	fastly  *fastlytest.Server
	faults  *cdntest.Faults // before fastly
	webhook *webhooktest.Server
}

type standInsKey struct{}

// TestCDNScripts runs the scripts of cdn, with a Fastly and a webhook that
// stand in for the real ones: FASTLY and WEBHOOK are their URLs, FASTLY_TOKEN
// and WEBHOOK_SECRET what they ask for.
func TestCDNScripts(t *testing.T) {
	p := params("testdata/cdn", func(env *testscript.Env) error {
		s := &standIns{fastly: fastlytest.New("SERVICE", "fastly-token-of-the-test"), webhook: webhooktest.Start(t)}
		s.faults = cdntest.NewFaults(s.fastly)
		server := httptest.NewServer(s.faults)
		env.Defer(server.Close)
		env.Setenv("FASTLY", server.URL)
		env.Setenv("FASTLY_TOKEN", s.fastly.Token)
		env.Setenv("WEBHOOK", s.webhook.Settings().URL)
		env.Setenv("WEBHOOK_SECRET", s.webhook.Settings().Secret.Reveal())
		env.Values[standInsKey{}] = s
		env.Values[servedKey{}] = &served{}
		return startS3(env)
	})
	p.Cmds["serving"] = cmdServing
	p.Cmds["stopping"] = cmdStopping
	p.Cmds["http"] = cmdHTTP
	p.Cmds["fault"] = cmdFault
	p.Cmds["until"] = cmdUntil
	p.Cmds["purged"] = cmdPurged
	p.Cmds["hooked"] = cmdHooked
	p.Cmds["cdn"] = cmdCDN
	testscript.Run(t, p)
}

// cmdCDN writes cdn.ini: the targets fastly:main, webhook:own and
// replicate:origin, a directory, and lines of [CDN]: cdn LINE...
func cmdCDN(ts *testscript.TestScript, neg bool, args []string) {
	text := fmt.Sprintf("[CDN]\nMaxBackoff=1\nMaxAttempts=3\n%s\n[fastly:main]\nServiceID=SERVICE\nEndpoint=%s\nTokenFile=fastly.token\n"+
		"[webhook:own]\nURL=%s\nSecretFile=webhook.secret\n[replicate:origin]\nBackend=nfs:mirror\n",
		strings.Join(args, "\n"), ts.Getenv("FASTLY"), ts.Getenv("WEBHOOK"))
	for name, text := range map[string]string{
		"settings/override/cdn.ini.append.php": text,
		"settings/override/file.ini":           "[nfs:mirror]\nMountPointPath=mirror\n[ChangeFeed]\nPollInterval=20\n[Gateway]\nMetadataTTL=0\n",
		"fastly.token":                         ts.Getenv("FASTLY_TOKEN") + "\n", "webhook.secret": ts.Getenv("WEBHOOK_SECRET"),
	} {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
	ts.Check(os.MkdirAll(ts.MkAbs("mirror/var"), 0o777)) // an empty tree may be a share that is not mounted
}

// cmdFault makes Fastly fail from now on, or none: fault 'is down'.
func cmdFault(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fault NAME")
	}
	fault := cdntest.Fault(args[0])
	if args[0] == "none" {
		fault = cdntest.None
	}
	ts.Value(standInsKey{}).(*standIns).faults.Set(fault)
}

// cmdUntil runs a command until its output matches: until PATTERN dfsctl ...
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN command...")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	for end := time.Now().Add(time.Minute); ; {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("never matched %s: %v", args[0], err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// cmdPurged asks whether Fastly has purged a path: purged PATH...
func cmdPurged(ts *testscript.TestScript, neg bool, args []string) {
	for _, path := range args {
		if got := ts.Value(standInsKey{}).(*standIns).fastly.Key(surrogate.Path(path)) != ""; got == neg {
			ts.Fatalf("purged %s: %v", path, got)
		}
	}
}

// cmdHooked asks whether the webhook was told of something: hooked 'EXTENT SUBJECT'...
func cmdHooked(ts *testscript.TestScript, neg bool, args []string) {
	told := make(map[string]bool)
	for _, i := range ts.Value(standInsKey{}).(*standIns).webhook.Items() {
		told[i.Extent+" "+i.Subject] = true
	}
	for _, item := range args {
		if told[item] == neg {
			ts.Fatalf("told of %s: %v, of all: %v", item, !neg, told)
		}
	}
}
