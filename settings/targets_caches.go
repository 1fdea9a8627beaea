package settings

import "time"

// Varnish is one group [varnish:name] of cdn.ini: Varnish hosts with the VCL of
// examples/varnish, or one that understands the same requests.
type Varnish struct {
	Name    string
	Servers []string `key:"Servers" env:"DFS_VARNISH_*_SERVERS" doc:"The Varnish hosts, such as http://10.0.0.5:6081; a change is delivered once every one of them took it."`
	URLs    []string `key:"URLs" doc:"Bases of the URLs under which files are cached, such as https://www.example.com, for a VCL that keeps the sites of a host apart: each purge is sent for each. Empty for one purge, of the server's own host."`
	PurgeBy string   `key:"PurgeBy" oneof:"url|key" default:"url" doc:"What single files are purged by: their URLs, or the keys that the gateway sends in xkey, which cover every spelling of the URL."`
	Keys    bool     `key:"Keys" default:"disabled" doc:"Purge directories, trunks and scopes by those keys. Without them, prefixes are banned and other families purged file by file."`
	Soft    bool     `key:"Soft" default:"disabled" doc:"Let vmod xkey expire what is purged by keys instead of removing it."`

	SecretHeader string `key:"SecretHeader" default:"X-Purge-Token" doc:"Header that carries Secret."`
	Secret       Secret `key:"Secret" env:"DFS_VARNISH_*_SECRET" doc:"What a VCL that does not go by addresses alone asks for; empty sends nothing."`
	SecretFile   string `key:"SecretFile" path:"root" env:"DFS_VARNISH_*_SECRET_FILE" doc:"File with Secret."`

	Concurrency int           `key:"Concurrency" min:"1" max:"256" default:"8" doc:"Requests under way at once to one host."`
	Timeout     time.Duration `key:"Timeout" unit:"ms" min:"1" default:"5000" doc:"Milliseconds that one request may take."`
}

// Fastly is one group [fastly:name] of cdn.ini: a Fastly service.
type Fastly struct {
	Name      string
	ServiceID string   `key:"ServiceID" env:"DFS_FASTLY_*_SERVICE_ID" doc:"Alphanumeric ID of the service."`
	Token     Secret   `key:"Token" env:"DFS_FASTLY_*_TOKEN" doc:"API token with the scope purge_select, and purge_all where everything may have to be purged."`
	TokenFile string   `key:"TokenFile" path:"root" env:"DFS_FASTLY_*_TOKEN_FILE" doc:"File with Token."`
	PurgeBy   string   `key:"PurgeBy" oneof:"url|key" default:"key" doc:"What single files are purged by: the keys that the gateway sends in Surrogate-Key, 256 in one call, or their URLs, each in a call of its own."`
	URLs      []string `key:"URLs" doc:"Bases of the URLs under which files are cached, such as https://www.example.com, for PurgeBy=url; a path is purged under each."`
	Keys      bool     `key:"Keys" default:"enabled" doc:"Purge directories, trunks and scopes by those keys. Without them every file is purged by itself."`
	Soft      bool     `key:"Soft" default:"disabled" doc:"Mark what is purged as stale instead of removing it. Everything is always purged hard."`

	PurgesPerHour int           `key:"PurgesPerHour" min:"1" default:"100000" doc:"URLs and keys that may be purged in an hour."`
	Endpoint      string        `key:"Endpoint" default:"https://api.fastly.com" env:"DFS_FASTLY_*_ENDPOINT" doc:"URL of the API."`
	Timeout       time.Duration `key:"Timeout" unit:"ms" min:"1" default:"15000" doc:"Milliseconds that one call may take."`
}

// Cloudflare is one group [cloudflare:name] of cdn.ini: a zone.
type Cloudflare struct {
	Name      string
	ZoneID    string   `key:"ZoneID" env:"DFS_CLOUDFLARE_*_ZONE_ID" doc:"ID of the zone."`
	Token     Secret   `key:"Token" env:"DFS_CLOUDFLARE_*_TOKEN" doc:"API token with the permission Zone, Cache Purge."`
	TokenFile string   `key:"TokenFile" path:"root" env:"DFS_CLOUDFLARE_*_TOKEN_FILE" doc:"File with Token."`
	URLs      []string `key:"URLs" doc:"Bases of the URLs under which files are cached, such as https://www.example.com; a path is purged under each."`
	PurgeBy   string   `key:"PurgeBy" oneof:"url|tag" default:"url" doc:"What single files are purged by: their URLs, or the tags that the gateway sends in Cache-Tag, which cover every spelling of the URL."`
	Tags      bool     `key:"Tags" default:"enabled" doc:"Purge directories, trunks and scopes by those tags. Without them, directories are purged by prefix and other families file by file."`
	All       string   `key:"All" oneof:"everything|hosts" default:"everything" doc:"What is purged when everything changed: the zone, or the hosts of URLs."`

	Plan              string        `key:"Plan" oneof:"free|pro|business|enterprise" default:"free" doc:"The account's plan, which decides the limits below."`
	FilesPerCall      int           `key:"FilesPerCall" doc:"URLs in one call; 0 for the plan's, 100, or 500 of enterprise."`
	FilesPerSecond    int           `key:"FilesPerSecond" doc:"URLs a second; 0 for the plan's, 800, 1500 or 3000."`
	FamiliesPerCall   int           `key:"FamiliesPerCall" min:"1" default:"100" doc:"Tags, prefixes or hosts in one call."`
	RequestsPerMinute int           `key:"RequestsPerMinute" doc:"Calls a minute by tag, prefix or host; 0 for the plan's, 5, 300, 600 or 3000."`
	Endpoint          string        `key:"Endpoint" default:"https://api.cloudflare.com/client/v4" env:"DFS_CLOUDFLARE_*_ENDPOINT" doc:"URL of the API."`
	Timeout           time.Duration `key:"Timeout" unit:"ms" min:"1" default:"15000" doc:"Milliseconds that one call may take."`
}

// CloudFront is one group [cloudfront:name] of cdn.ini: a distribution.
type CloudFront struct {
	Name                string
	DistributionID      string `key:"DistributionID" env:"DFS_CLOUDFRONT_*_DISTRIBUTION_ID" doc:"ID of the distribution."`
	AccessKeyID         string `key:"AccessKeyID" env:"DFS_CLOUDFRONT_*_ACCESS_KEY_ID" doc:"Access key with the permission cloudfront:CreateInvalidation; empty, with an empty secret, for the default credential chain."`
	SecretAccessKey     Secret `key:"SecretAccessKey" env:"DFS_CLOUDFRONT_*_SECRET_ACCESS_KEY" doc:"Secret key."`
	SecretAccessKeyFile string `key:"SecretAccessKeyFile" path:"root" env:"DFS_CLOUDFRONT_*_SECRET_ACCESS_KEY_FILE" doc:"File with SecretAccessKey."`
	Region              string `key:"Region" default:"us-east-1" doc:"Region that calls are signed for; CloudFront has one."`
	Path                string `key:"Path" doc:"Path below which the distribution serves the site, such as /media; empty for the root."`
	PurgeBy             string `key:"PurgeBy" oneof:"url|tag" default:"url" doc:"What single files are invalidated by: their paths, or the tags that the gateway sends in Cache-Tag, where the distribution's CacheTagConfig names that header."`
	Tags                bool   `key:"Tags" default:"disabled" doc:"Invalidate directories, trunks and scopes by those tags. Without them, prefixes are wildcards and other families invalidated file by file."`

	PathsInProgress     int           `key:"PathsInProgress" min:"3" default:"3000" doc:"Quota of paths and tags whose invalidation is in progress."`
	WildcardsInProgress int           `key:"WildcardsInProgress" min:"3" default:"15" doc:"Quota of paths with a wildcard whose invalidation is in progress."`
	Endpoint            string        `key:"Endpoint" env:"DFS_CLOUDFRONT_*_ENDPOINT" doc:"URL of something that stands in for the API; empty for Amazon."`
	Timeout             time.Duration `key:"Timeout" unit:"ms" min:"1" default:"30000" doc:"Milliseconds that one call may take."`
}
