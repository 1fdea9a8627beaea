package settings

import "time"

// Targets are the caches, CDNs and origins that are told of changes, by
// instance name, "akamai:media": one for each group of that name in cdn.ini.
type Targets struct {
	Varnish    map[string]Varnish       `kind:"varnish"`
	Fastly     map[string]Fastly        `kind:"fastly"`
	Cloudflare map[string]Cloudflare    `kind:"cloudflare"`
	CloudFront map[string]CloudFront    `kind:"cloudfront"`
	Akamai     map[string]Akamai        `kind:"akamai"`
	GoogleCDN  map[string]GoogleCDN     `kind:"googlecdn"`
	Webhook    map[string]WebhookTarget `kind:"webhook"`
	Replicate  map[string]Replicate     `kind:"replicate"`
}

// Akamai is one group [akamai:name] of cdn.ini: content that Fast Purge drops.
type Akamai struct {
	Name    string
	URLs    []string `key:"URLs" doc:"Bases of the URLs under which files are cached, such as https://www.example.com; a path is purged under each."`
	Method  string   `key:"Method" oneof:"invalidate|delete" default:"invalidate" doc:"invalidate lets Akamai ask the origin whether its copy is good; delete drops it."`
	Network string   `key:"Network" oneof:"production|staging" default:"production" doc:"Which network."`
	PurgeBy string   `key:"PurgeBy" oneof:"url|tag" default:"url" doc:"What single files are purged by: their URLs, or their cache tags, of which Akamai takes 500 a minute."`
	Tags    bool     `key:"Tags" default:"enabled" doc:"Purge directories, trunks and scopes by the cache tags that the gateway sends. Without them every file is purged by itself."`
	CPCodes []string `key:"CPCodes" doc:"Content provider codes to purge when everything changed."`

	CredentialsFile    string `key:"CredentialsFile" path:"root" env:"DFS_AKAMAI_*_CREDENTIALS_FILE" doc:"An .edgerc file, relative to the site root; Host and the tokens set here come before its."`
	CredentialsSection string `key:"CredentialsSection" default:"default" doc:"Section of that file."`
	Host               string `key:"Host" env:"DFS_AKAMAI_*_HOST" doc:"Host of the API client, akab-…luna.akamaiapis.net."`
	ClientToken        Secret `key:"ClientToken" env:"DFS_AKAMAI_*_CLIENT_TOKEN" doc:"Client token."`
	ClientSecret       Secret `key:"ClientSecret" env:"DFS_AKAMAI_*_CLIENT_SECRET" doc:"Client secret."`
	AccessToken        Secret `key:"AccessToken" env:"DFS_AKAMAI_*_ACCESS_TOKEN" doc:"Access token."`
	ClientTokenFile    string `key:"ClientTokenFile" path:"root" env:"DFS_AKAMAI_*_CLIENT_TOKEN_FILE" doc:"File with ClientToken."`
	ClientSecretFile   string `key:"ClientSecretFile" path:"root" env:"DFS_AKAMAI_*_CLIENT_SECRET_FILE" doc:"File with ClientSecret."`
	AccessTokenFile    string `key:"AccessTokenFile" path:"root" env:"DFS_AKAMAI_*_ACCESS_TOKEN_FILE" doc:"File with AccessToken."`

	Endpoint string        `key:"Endpoint" env:"DFS_AKAMAI_*_ENDPOINT" doc:"URL of something that stands in for the API; empty for https and Host."`
	Timeout  time.Duration `key:"Timeout" unit:"ms" min:"1" default:"30000" doc:"Milliseconds that one call may take."`
}

// GoogleCDN is one group [googlecdn:name] of cdn.ini: a URL map with Cloud CDN.
type GoogleCDN struct {
	Name    string
	Project string `key:"Project" env:"DFS_GOOGLECDN_*_PROJECT" doc:"Project of the load balancer."`
	URLMap  string `key:"URLMap" env:"DFS_GOOGLECDN_*_URL_MAP" doc:"Name of its URL map."`
	Host    string `key:"Host" doc:"Host whose content is invalidated; empty for that of all hosts."`
	Path    string `key:"Path" doc:"Path below which the load balancer serves the site, such as /media; empty for the root."`
	Tags    bool   `key:"Tags" default:"disabled" doc:"Invalidate by the cache tags that the gateway sends, ten at a time, instead of by path, one at a time."`
	Wait    bool   `key:"Wait" default:"disabled" doc:"Count an invalidation as delivered once it is done, after 10 seconds or so, instead of once it is accepted."`

	RatePerMinute   int    `key:"RatePerMinute" min:"1" default:"500" doc:"Invalidations a minute that the project's quota allows."`
	CredentialsFile string `key:"CredentialsFile" path:"root" env:"DFS_GOOGLECDN_*_CREDENTIALS_FILE" doc:"Service account key, relative to the site root; empty for the default credentials."`

	Endpoint string        `key:"Endpoint" env:"DFS_GOOGLECDN_*_ENDPOINT" doc:"URL of something that stands in for the API, used without credentials unless CredentialsFile is set; empty for Google."`
	Timeout  time.Duration `key:"Timeout" unit:"ms" min:"1" default:"60000" doc:"Milliseconds that one call, and waiting for what it began, may take."`
}

// WebhookTarget is one group [webhook:name] of cdn.ini: a program of your own.
type WebhookTarget struct {
	Name        string
	URL         string        `key:"URL" env:"DFS_CDN_WEBHOOK_*_URL" doc:"Where batches are posted, as JSON."`
	Secret      Secret        `key:"Secret" env:"DFS_CDN_WEBHOOK_*_SECRET" doc:"Key of the HMAC-SHA256 in the header X-Ezdfs-Signature; empty sends none."`
	SecretFile  string        `key:"SecretFile" path:"root" env:"DFS_CDN_WEBHOOK_*_SECRET_FILE" doc:"File with Secret."`
	Families    bool          `key:"Families" default:"enabled" doc:"Send a prefix, trunk or scope as one item. Without it every file of a family is an item of its own."`
	Push        bool          `key:"Push" default:"disabled" doc:"Send what is to be pushed as well as what is to be invalidated."`
	MaxItems    int           `key:"MaxItems" min:"1" max:"10000" default:"500" doc:"Items of one request at most."`
	Rate        int           `key:"Rate" default:"0" doc:"Requests a second at most; 0 for no limit."`
	Concurrency int           `key:"Concurrency" min:"1" max:"64" default:"1" doc:"Requests under way at once."`
	Timeout     time.Duration `key:"Timeout" unit:"ms" min:"1" default:"10000" doc:"Milliseconds that one request may take."`
}

// Replicate is one group [replicate:name] of cdn.ini: a store that is kept
// equal, for a CDN that pulls from it.
type Replicate struct {
	Name        string
	Backend     string        `key:"Backend" doc:"The store to keep equal: an instance that no rule of PathBackends uses, such as s3:origin or nfs:mirror."`
	Concurrency int           `key:"Concurrency" min:"1" max:"64" default:"4" doc:"Files copied at once."`
	Timeout     time.Duration `key:"Timeout" min:"1" default:"3600" doc:"Seconds that one file may take."`
}
