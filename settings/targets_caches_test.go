package settings

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCaches reads a group of each kind: what it says, what the environment
// says instead, and defaults.
func TestCaches(t *testing.T) {
	opts := optionsFor(t, map[string]string{"cdn.ini": `
[varnish:front]
Servers[]=http://10.0.0.5:6081
Servers[]=http://10.0.0.6:6081
Keys=enabled
[fastly:main]
ServiceID=SU1Z0isxPaozGVKXdv0eY
Token=of the file
Soft=enabled
[cloudflare:main]
Plan=enterprise
FilesPerCall=30
[cloudfront:main]
DistributionID=EDFDVBD6EXAMPLE
Timeout=1500
`})
	env := map[string]string{
		"DFS_VARNISH_FRONT_SECRET": "s3cret", "DFS_FASTLY_MAIN_TOKEN": "s3cret", "DFS_CLOUDFLARE_MAIN_TOKEN": "s3cret",
		"DFS_CLOUDFRONT_MAIN_SECRET_ACCESS_KEY": "s3cret", "DFS_CLOUDFRONT_MAIN_ENDPOINT": "http://127.0.0.1:1",
	}
	opts.Getenv = func(name string) (string, bool) { value, ok := env[name]; return value, ok }
	s, err := Load(opts)
	if err != nil {
		t.Fatal(err)
	}
	v, f := s.Targets.Varnish["varnish:front"], s.Targets.Fastly["fastly:main"]
	if !slices.Equal(v.Servers, []string{"http://10.0.0.5:6081", "http://10.0.0.6:6081"}) || !v.Keys || v.PurgeBy != "url" || v.Secret != "s3cret" || v.SecretHeader != "X-Purge-Token" {
		t.Errorf("%+v", v)
	}
	if f.Token != "s3cret" || !f.Soft || !f.Keys || f.PurgeBy != "key" || f.PurgesPerHour != 100_000 || f.Endpoint != "https://api.fastly.com" {
		t.Errorf("%+v", f)
	}
	c, a := s.Targets.Cloudflare["cloudflare:main"], s.Targets.CloudFront["cloudfront:main"]
	if c.Plan != "enterprise" || c.FilesPerCall != 30 || c.FamiliesPerCall != 100 || c.Token != "s3cret" || c.Name != "cloudflare:main" {
		t.Errorf("%+v", c)
	}
	if a.DistributionID != "EDFDVBD6EXAMPLE" || a.Timeout != 1500*time.Millisecond || a.SecretAccessKey != "s3cret" || a.Endpoint != "http://127.0.0.1:1" || a.PathsInProgress != 3000 {
		t.Errorf("%+v", a)
	}
	if text := fmt.Sprintf("%+v %v", s.Targets, s.Entries()); strings.Contains(text, "s3cret") {
		t.Error("a secret is shown")
	}
}

// TestCheckCaches: what a target cannot work with is found before it is asked
// to.
func TestCheckCaches(t *testing.T) {
	const fastly, cloudflare = "[fastly:a]\nServiceID=a\nToken=b\n", "[cloudflare:a]\nZoneID=a\nToken=b\n"
	for ini, want := range map[string]string{
		"[varnish:a]\nServers[]=http://10.0.0.5:6081":   "",
		"[varnish:a]\nKeys=enabled":                     "Servers is empty",
		"[varnish:a]\nServers[]=10.0.0.5:6081":          "Servers is not a URL",
		"[varnish:a]\nServers[]=http://a\nURLs[]=www":   "URLs is not a URL",
		"[varnish:a]\nServers[]=http://a\nSoft=enabled": "Soft has no effect",
		fastly:                    "",
		"[fastly:a]\nServiceID=a": "Token is not set",
		"[fastly:a]\nToken=a":     "ServiceID is not set",
		fastly + "PurgeBy=url":    "URLs is empty",
		fastly + "Endpoint=x":     "Endpoint is not a URL",
		fastly + "PurgeBy=tag":    `PurgeBy "tag" is not one of url, key`,
		cloudflare + "URLs[]=https://www.example.com": "",
		cloudflare:                                             "URLs is empty",
		cloudflare + "PurgeBy=tag":                             "",
		cloudflare + "PurgeBy=tag\nAll=hosts":                  "URLs is empty",
		"[cloudflare:a]\nURLs[]=https://a\nToken=b":            "ZoneID is not set",
		"[cloudfront:a]\nDistributionID=a":                     "",
		"[cloudfront:a]\nPath=/media":                          "DistributionID is not set",
		"[cloudfront:a]\nDistributionID=a\nAccessKeyID=b":      "SecretAccessKey is empty, but AccessKeyID is set",
		"[cloudfront:a]\nDistributionID=a\nEndpoint=localhost": "Endpoint is not a URL",
		"[cloudfront:a]\nDistributionID=a\nPathsInProgress=1":  "PathsInProgress \"1\" is less than 3",
		"[cloudfront]\nDistributionID=a":                       "",
		"[varnish:a]\nServers[]=http://a\nPurgeby=key":         "Purgeby looks like a misspelt PurgeBy",
	} {
		var found []string
		for _, p := range Check(t.Context(), optionsFor(t, map[string]string{"cdn.ini": ini})) {
			if p.Key != "MountPointPath" {
				found = append(found, p.Key+" "+p.Message)
			}
		}
		if text := strings.Join(found, "; "); want == "" && text != "" || !strings.Contains(text, want) {
			t.Errorf("%q: %q, want %q", ini, text, want)
		}
	}
}

// TestCheckKeysAreSent: purging by what the gateway does not send is a mistake.
func TestCheckKeysAreSent(t *testing.T) {
	const targets = "[varnish:a]\nServers[]=http://a\nKeys=enabled\n[fastly:a]\nServiceID=a\nToken=b\n" +
		"[cloudfront:a]\nDistributionID=a\nTags=enabled\n[akamai:a]\nURLs[]=http://a\n"
	var found []string
	for _, p := range Check(t.Context(), optionsFor(t, map[string]string{
		"cdn.ini": targets, "file.ini": "[Gateway]\nXKey=disabled\nSurrogateKey=disabled\nCacheTag=disabled\n",
	})) {
		if p.Group == "Gateway" {
			found = append(found, p.Key)
		}
	}
	slices.Sort(found)
	if want := []string{"CacheTag", "EdgeCacheTag", "SurrogateKey", "XKey"}; !slices.Equal(found, want) {
		t.Errorf("%q, want %q", found, want)
	}
}
