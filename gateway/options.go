package gateway

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// Options say what a gateway serves and how. The zero value serves storage
// files with no header that needs to be asked for.
type Options struct {
	// Layout tells cache files from storage files. Empty directory names mean
	// the legacy's, "cache" and "storage".
	Layout metadata.Layout
	// PublicPrefixes open paths that are not served otherwise, such as cache
	// files. PrivatePrefixes close paths to all who have no signed URL. Of
	// several that match a path the longest counts, a private one before an
	// equally long public one. They are string prefixes, as those of the
	// dispatcher: end one with a slash to mean a directory.
	PublicPrefixes, PrivatePrefixes []string
	// URLKeys verify signed URLs; more than one for the time of a rotation.
	URLKeys []string

	// MaxAge is for how long caches may keep a file without asking: the
	// headers Expires and Cache-Control. Zero sends neither.
	MaxAge time.Duration
	// NoCache sends no validators and answers no conditions; NoRange serves
	// no ranges. (The legacy's CLUSTER_ENABLE_HTTP_CACHE and _RANGE.)
	NoCache, NoRange bool
	// PoweredBy is the header X-Powered-By, ServedBy the header Served-by;
	// empty sends none.
	PoweredBy, ServedBy string
	// SurrogateKey, CacheTag, EdgeCacheTag and XKey send the keys of package
	// surrogate in the headers Surrogate-Key (for Fastly), Cache-Tag
	// (Cloudflare, CloudFront, Google), Edge-Cache-Tag (Akamai) and xkey
	// (Varnish).
	SurrogateKey, CacheTag, EdgeCacheTag, XKey bool
	// Disposition is the Content-Disposition by MIME type: "attachment" or
	// "inline". A download, a file of scope binaryfile or mediafile, whose
	// type is not there is an attachment, as in the legacy; nil sends none at
	// all.
	Disposition map[string]string
	// AllowOrigins are the origins whose scripts may read files (CORS), such
	// as https://www.example.com, or "*" for all.
	AllowOrigins []string

	// Redirects send requests by prefix to the file's public URL at its store
	// or to a signed one; of several that match the longest counts. Files on
	// stores without such URLs are served.
	Redirects map[string]Redirect
	// RedirectLifetime is how long a signed URL of Redirects lasts, 15 minutes
	// by default.
	RedirectLifetime time.Duration
	// SendfileHeader lets the web server in front send files on NFS:
	// X-Accel-Redirect, or X-Sendfile and its kin. SendfilePrefix is put
	// before the path: an internal location for the former, the mount for the
	// others. All files on NFS must lie on that one mount.
	SendfileHeader, SendfilePrefix string

	// Rows remembers rows that the database told; see [NewRows]. Without it
	// every request asks the cluster.
	Rows Rows
	// MetadataTTL is for how long a row of Rows is believed; 0 is for never.
	MetadataTTL time.Duration
	// RowAge is how old a row can be that the cluster returns: the TTL of the
	// caches among its listeners.
	RowAge time.Duration
	// BodyCacheSize is how many bytes of small bodies are kept in memory.
	BodyCacheSize int64
	// StoreTimeout is how long a store may take to open a file, and to go on
	// in the middle of one, and DBTimeout how long the database may take: 10
	// and 3 seconds by default. StoreRequests is how many files are being
	// opened on one store at once, 256 by default; the next ones wait for
	// StoreTimeout.
	StoreTimeout, DBTimeout time.Duration
	StoreRequests           int

	// AddHeader, if there is one, is given header lines that were written once
	// for many answers, each ended by CRLF, right before an answer's header is
	// written. It puts them into that, or returns false and they are set as
	// any other header. What it takes no handler around this one sees, or can
	// replace.
	AddHeader func(ctx context.Context, lines ...[]byte) bool
	// BeforeBody, if there is one, is called right before 4 KB of a body or
	// more are written by one call: a server can have them leave with the
	// header.
	BeforeBody func(ctx context.Context)

	// RetryAfter is what clients are told while the database or a store is
	// down, and how long one that failed again and again is left alone: 5
	// seconds by default.
	RetryAfter time.Duration
	// Logger gets what went wrong on this side; nil logs nothing.
	Logger *slog.Logger
	// Now replaces time.Now.
	Now func() time.Time
}

// Redirect says which URL of a store to redirect to.
type Redirect string

// The kinds of redirects.
const (
	RedirectPublic Redirect = "public"
	RedirectSigned Redirect = "signed"
)

func (o Options) withDefaults() Options {
	o.Layout.CacheDir = cmp.Or(o.Layout.CacheDir, "cache")
	o.Layout.StorageDir = cmp.Or(o.Layout.StorageDir, "storage")
	o.RedirectLifetime = cmp.Or(o.RedirectLifetime, 15*time.Minute)
	o.RetryAfter = cmp.Or(o.RetryAfter, 5*time.Second)
	o.StoreTimeout = cmp.Or(o.StoreTimeout, 10*time.Second)
	o.StoreRequests = cmp.Or(o.StoreRequests, 256)
	o.DBTimeout = cmp.Or(o.DBTimeout, 3*time.Second)
	if o.Logger == nil {
		o.Logger = discard()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// minKey is the length of the shortest key that is accepted for signing.
const minKey = 16

// OptionsFrom reads the options from [Gateway] and [PassThroughSettings] of
// file.ini. Rows, AddHeader, BeforeBody, Logger and Now
// are left to the caller.
func OptionsFrom(s settings.Settings) (Options, error) {
	g := s.Gateway
	o := Options{
		Layout:         metadata.Layout{VarDir: s.Files.VarDir, CacheDir: s.Files.CacheDir, StorageDir: s.Files.StorageDir},
		PublicPrefixes: g.PublicPrefixes, PrivatePrefixes: g.PrivatePrefixes, URLKeys: strings.Fields(g.URLSecret.Reveal()),
		MaxAge: g.ExpiryTimeout, NoCache: !g.HTTPCache, NoRange: !g.HTTPRange,
		PoweredBy: g.PoweredBy, ServedBy: cmp.Or(g.ServedBy, hostname()),
		SurrogateKey: g.SurrogateKey, CacheTag: g.CacheTag, EdgeCacheTag: g.EdgeCacheTag, XKey: g.XKey,
		Disposition: s.PassThrough.ContentDisposition, AllowOrigins: g.AllowOrigins,
		Redirects: map[string]Redirect{}, RedirectLifetime: g.RedirectLifetime,
		SendfileHeader: g.SendfileHeader, SendfilePrefix: g.SendfilePrefix,
		RetryAfter: g.RetryAfter, MetadataTTL: g.MetadataTTL, RowAge: rowAge(s), BodyCacheSize: g.BodyCacheSize,
		StoreTimeout: g.StoreTimeout, StoreRequests: g.StoreRequests, DBTimeout: g.DBTimeout,
	}
	for prefix, kind := range g.Redirect {
		o.Redirects[prefix] = Redirect(kind)
	}
	return o, o.check()
}

// rowAge is how old a row can be that a listener of the cluster knew.
func rowAge(s settings.Settings) time.Duration {
	age := time.Duration(0)
	for _, name := range s.ListenerNames() {
		switch name {
		case "rowcache":
			age = max(age, s.RowCache.TTL)
		case "memcached":
			age = max(age, s.Memcached.TTL)
		}
	}
	return age
}

// check names what can hardly be meant.
func (o Options) check() error {
	for _, key := range o.URLKeys {
		if len(key) < minKey {
			return fmt.Errorf("[Gateway] URLSecret: a key of %d characters can be guessed; use %d random ones or more, for instance of `openssl rand -hex 32`", len(key), minKey)
		}
	}
	if len(o.PrivatePrefixes) > 0 && len(o.URLKeys) == 0 {
		return fmt.Errorf("[Gateway] PrivatePrefixes: nobody could read %s; set URLSecret, which signs URLs", o.PrivatePrefixes[0])
	}
	for _, origin := range o.AllowOrigins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin) {
			return fmt.Errorf("[Gateway] AllowOrigins: %q is no origin; write scheme and host, such as https://www.example.com, or *", origin)
		}
	}
	if o.SendfileHeader != "" && !isToken(o.SendfileHeader) {
		return fmt.Errorf("[Gateway] SendfileHeader: %q is not the name of a header; write X-Accel-Redirect or X-Sendfile", o.SendfileHeader)
	}
	return nil
}
