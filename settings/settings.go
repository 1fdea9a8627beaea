// Package settings turns the legacy INI files of a site into one typed value:
// every setting the cluster knows, with its default, written down once in the
// tags of the structs below. The README's tables, `dfsctl config show`, the
// environment overrides and the search for misspelt keys all read those tags.
//
// [Load] reads a site's files, [Check] lists everything wrong with them, and
// [Defaults] is where a program starts that has no files:
//
//	s, err := settings.Load(settings.Options{Root: "/srv/site"})
//	def, rules, contains := s.Routing()
//
// The package reaches no service: whether the bucket is there and the password
// right is for those to find out that use them.
//
// Tags of a struct: file and group say where its keys stand, kind that it is a
// map of named instances (all fields of Targets are). Tags of a field: key is the legacy name, default its
// value when no file sets it, env the environment variable that overrides it
// (with * for the name of an instance; a comma separates the elements of an
// array), min, max and oneof what it may be, unit "ms" that a time is in
// milliseconds instead of seconds, path that a relative value starts at the
// site root, doc one sentence for the README. Beside a Secret with the key Token
// there may be a setting TokenFile that names a file with it.
package settings

import (
	"io/fs"
	"time"
)

// Settings is the configuration of one cluster. It is a value: parsed once by
// [Load] and passed to constructors. The zero value is not useful; start from
// [Defaults] to build one in code.
type Settings struct {
	// Root is the site root, the directory that relative paths of the
	// settings and of local files start from.
	Root string

	Clustering  Clustering  `file:"file.ini" group:"ClusteringSettings"`
	DFS         DFS         `file:"file.ini" group:"eZDFSClusteringSettings"`
	Dispatch    Dispatch    `file:"file.ini" group:"DispatchableDFS"`
	Events      Events      `file:"file.ini" group:"ClusterEventsSettings"`
	Changes     Changes     `file:"file.ini" group:"ChangeFeed"`
	RowCache    RowCache    `file:"file.ini" group:"RowCache"`
	LocalCache  LocalCache  `file:"file.ini" group:"LocalCache"`
	Webhook     Webhook     `file:"file.ini" group:"Webhook"`
	Gateway     Gateway     `file:"file.ini" group:"Gateway"`
	PassThrough PassThrough `file:"file.ini" group:"PassThroughSettings"`
	Memcached   Memcached   `file:"memcachedcluster.ini" group:"ServerSettings"`
	Files       Files       `file:"site.ini" group:"FileSettings"`
	Content     Content     `file:"site.ini" group:"ContentSettings"`
	SiteDB      SiteDB      `file:"site.ini" group:"DatabaseSettings"`

	// The backends by instance name, "s3" or "s3:media". Those are here that
	// the routing names, that have a group of their own, or whose default
	// group names a bucket or a mount.
	NFS map[string]NFS `kind:"nfs" file:"file.ini"`
	S3  map[string]S3  `kind:"s3" file:"dfsamazons3.ini" group:"BackendSettings"`
	GCS map[string]GCS `kind:"gcs" file:"dfsgcs.ini" group:"BackendSettings"`

	CDN CDN `file:"cdn.ini" group:"CDN"`
	// Targets are told of changes.
	Targets Targets `file:"cdn.ini"`

	// origins tells where each value that no default gave was set.
	origins map[settingID]Origin
	// unread says which files of secrets could not be read.
	unread []*ValueError
}

// Clustering is [ClusteringSettings] of file.ini.
type Clustering struct {
	FileHandler   string            `key:"FileHandler" default:"eZDFSFileHandler" doc:"The legacy file handler class; ezdfs serves eZDFSFileHandler."`
	StaleHandling map[string]string `key:"NonExistantStaleCacheHandling" oneof:"wait|generate" default:"viewcache=wait;cacheblock=wait;misc=wait" doc:"What a reader does while a cache file without any stale copy is generated, by kind: wait or generate."`
}

// DFS is [eZDFSClusteringSettings] of file.ini: the metadata store, the mount
// and the choice of the backend or the dispatcher.
type DFS struct {
	MountPointPath string `key:"MountPointPath" path:"root" env:"DFS_MOUNT_POINT_PATH" doc:"Root of the NFS tree, absolute or relative to the site root."`
	Trash          string `key:"Trash" doc:"Directory of that tree, such as trash, into which purges and checks move bodies instead of deleting them; empty for none. Empty it before you change this."`
	DFSBackend     string `key:"DFSBackend" default:"eZDFSFileHandlerDFSBackend" doc:"Backend of every path, or the dispatcher's class to route by [DispatchableDFS]."`

	DBBackend  string `key:"DBBackend" default:"eZDFSFileHandlerMySQLiBackend" env:"DFS_DB_BACKEND" doc:"Metadata engine: a legacy MySQL class name, MySQL, or SQLite."`
	DBHost     string `key:"DBHost" default:"dbhost" env:"DFS_DB_HOST" doc:"Database host. The variable also overrides a DBSocket of the files."`
	DBReadHost string `key:"DBReadHost" env:"DFS_DB_READ_HOST" doc:"Read replica, host or host:port, for listings, which may lag."`
	DBPort     int    `key:"DBPort" min:"1" max:"65535" default:"3306" env:"DFS_DB_PORT" doc:"Database port."`
	DBSocket   string `key:"DBSocket" env:"DFS_DB_SOCKET" doc:"Unix socket; when set, host and port are not used."`
	DBName     string `key:"DBName" default:"cluster" env:"DFS_DB_NAME" doc:"Database name; for SQLite the file, relative to the site root."`
	DBUser     string `key:"DBUser" default:"root" env:"DFS_DB_USER" doc:"Database user."`
	DBPassword Secret `key:"DBPassword" env:"DFS_DB_PASSWORD" doc:"Database password."`

	DBConnectRetries int           `key:"DBConnectRetries" default:"3" doc:"How often to try to connect."`
	DBExecuteRetries int           `key:"DBExecuteRetries" default:"20" doc:"How often to repeat a transaction after a deadlock or a lock wait."`
	StorePatience    time.Duration `key:"StorePatience" default:"0" doc:"Seconds for which reads wait for a store that does not answer; 0 leaves it at a few attempts in as many seconds. The gateway waits no longer than its StoreTimeout."`
	MaxCopyRetries   int           `key:"MaxCopyRetries" default:"5" doc:"How often to repeat reading or copying a body that changed meanwhile."`
	TableCache       string        `key:"MetaDataTableNameCache" default:"ezdfsfile_cache" doc:"Table of the cache files; ezdfsfile for a single table."`
}

// Dispatch is [DispatchableDFS] of file.ini.
type Dispatch struct {
	DefaultBackend string `key:"DefaultBackend" default:"eZDFSFileHandlerDFSBackend" doc:"Backend of the paths that no rule matches."`
	PathBackends   []Rule `key:"PathBackends" doc:"Rules in order, PathBackends[prefix]=backend; the first match wins."`
	MigrateFrom    []Rule `key:"MigrateFrom" doc:"MigrateFrom[prefix]=backend: while dfsctl migrate moves the files whose path begins with the prefix, what is not on the store of their rule is looked for on this one, too."`
	PathMatching   string `key:"PathMatching" oneof:"prefix|contains" default:"prefix" doc:"prefix: a rule takes the paths that begin with its key. contains: the legacy code's test, anywhere in the path."`
}

// Rule sends the paths that match Prefix to Backend.
type Rule struct {
	Prefix  string
	Backend string // a legacy class name or an instance: "nfs", "s3:media"
	Origin  Origin
}

// Events is [ClusterEventsSettings] of file.ini: who is told of changes.
type Events struct {
	Enabled   bool     `key:"ClusterEvents" default:"disabled" doc:"Whether listeners are told what happens to files."`
	Listener  string   `key:"Listener" doc:"The legacy's one listener: eZMemcachedClusterEventListener, or one of those below."`
	Listeners []string `key:"Listeners" oneof:"rowcache|memcached|log|webhook" doc:"Listeners, in the order in which they are asked for rows; that of Listener comes first."`
	QueueSize int      `key:"QueueSize" min:"1" default:"10000" doc:"Notifications that may wait for one listener; beyond that it is told only how many it missed."`
}

// Changes is [ChangeFeed] of file.ini.
type Changes struct {
	Source              string        `key:"Source" oneof:"auto|journal|binlog|none" default:"auto" doc:"Where changes of other hosts are read: the binary log sees PHP's too, the journal ours alone; auto takes the binary log where it can be had."`
	PollInterval        time.Duration `key:"PollInterval" unit:"ms" min:"10" default:"200" doc:"Milliseconds between two looks at the journal."`
	JournalRetention    time.Duration `key:"JournalRetention" min:"60" default:"604800" doc:"Seconds for which the journal is kept."`
	ReplicationUser     string        `key:"ReplicationUser" env:"DFS_REPLICATION_USER" doc:"User that may read the binary log; by default DBUser."`
	ReplicationPassword Secret        `key:"ReplicationPassword" env:"DFS_REPLICATION_PASSWORD" doc:"Password of ReplicationUser."`
}

// RowCache is [RowCache] of file.ini: the listener that keeps rows in memory.
type RowCache struct {
	TTL         time.Duration `key:"TTL" unit:"ms" min:"1" default:"60000" doc:"Milliseconds for which a row is believed. Changes of this process, and those that the change feed tells, are seen at once."`
	NegativeTTL time.Duration `key:"NegativeTTL" unit:"ms" default:"5000" doc:"Milliseconds for which it is believed that a path has no row; 0 always asks."`
	MaxEntries  int           `key:"MaxEntries" min:"1" default:"100000" doc:"Rows kept at most, about 500 bytes each."`
}

// LocalCache is [LocalCache] of file.ini: copies of bodies on this host.
type LocalCache struct {
	Directory  string `key:"Directory" path:"root" doc:"Directory for copies of cache files, relative to the site root, for ezdfs alone; empty for none."`
	MaxSize    int64  `key:"MaxSize" min:"1M" default:"10G" doc:"Bytes that the copies may take (K, M and G as units); the least recently used go."`
	MemorySize int64  `key:"MemorySize" default:"32M" doc:"Bytes of small cache files kept in memory; 0 for none."`
}

// Webhook is [Webhook] of file.ini: the listener that posts events.
type Webhook struct {
	URL     string        `key:"URL" env:"DFS_WEBHOOK_URL" doc:"Where events are posted, as JSON."`
	Secret  Secret        `key:"Secret" env:"DFS_WEBHOOK_SECRET" doc:"Key of the HMAC-SHA256 in the header X-Ezdfs-Signature; empty sends none."`
	Timeout time.Duration `key:"Timeout" unit:"ms" min:"1" default:"5000" doc:"Milliseconds that one request may take."`
}

// Gateway is [Gateway] of file.ini: what the HTTP gateway serves and how.
type Gateway struct {
	PublicPrefixes  []string `key:"PublicPrefixes" doc:"Prefixes that are served beside the storage files, such as one of cache files; end one with a slash to mean a directory."`
	PrivatePrefixes []string `key:"PrivatePrefixes" doc:"Prefixes that are served to holders of a signed URL alone. Of several prefixes that match a path the longest counts."`
	URLSecret       Secret   `key:"URLSecret" env:"DFS_GATEWAY_URL_SECRET" doc:"Keys of signed URLs, at least 16 characters each, separated by blanks: the first signs, all are accepted."`

	HTTPCache     bool          `key:"HTTPCache" default:"enabled" doc:"Send ETag, Last-Modified and Expires and answer conditional requests."`
	HTTPRange     bool          `key:"HTTPRange" default:"enabled" doc:"Serve ranges."`
	ExpiryTimeout time.Duration `key:"ExpiryTimeout" default:"86400" doc:"Seconds for which caches may keep a file without asking, in Expires and Cache-Control; 0 sends neither."`
	PoweredBy     string        `key:"XPoweredBy" default:"eZ Publish" doc:"The header X-Powered-By; empty for none."`
	ServedBy      string        `key:"ServedBy" doc:"The header Served-by; by default the host's name."`
	SurrogateKey  bool          `key:"SurrogateKey" default:"enabled" doc:"Send surrogate keys of the path, its directories, scope and trunk in the header Surrogate-Key (Fastly)."`
	CacheTag      bool          `key:"CacheTag" default:"enabled" doc:"Send them in Cache-Tag (Cloudflare, CloudFront, Google)."`
	EdgeCacheTag  bool          `key:"EdgeCacheTag" default:"disabled" doc:"Send them in Edge-Cache-Tag (Akamai)."`
	XKey          bool          `key:"XKey" default:"enabled" doc:"Send them in xkey (Varnish)."`
	AllowOrigins  []string      `key:"AllowOrigins" doc:"Origins whose scripts may read files, such as https://www.example.com, or * for all."`

	Redirect         map[string]string `key:"Redirect" oneof:"public|signed" doc:"Redirect[prefix]=public sends requests to the object's own URL, signed to one that is good for a while; the longest prefix counts. Files on NFS are served."`
	RedirectLifetime time.Duration     `key:"RedirectLifetime" min:"1" default:"900" doc:"Seconds for which the signed URL of a redirect is good."`
	SendfileHeader   string            `key:"SendfileHeader" doc:"X-Accel-Redirect or X-Sendfile: the web server in front sends the files on NFS."`
	SendfilePrefix   string            `key:"SendfilePrefix" doc:"Put before the path in that header: an internal location of nginx, or the mount."`
	RetryAfter       time.Duration     `key:"RetryAfter" min:"1" default:"5" doc:"Seconds after which clients may try again while the database or a store is down."`

	MetadataTTL   time.Duration `key:"MetadataTTL" unit:"ms" default:"1000" env:"DFS_GATEWAY_METADATA_TTL" doc:"Milliseconds for which the gateway believes a row, and that there is none. Changes that the change feed tells are seen at once; 0 asks the database for every request."`
	StaleIfError  time.Duration `key:"StaleIfError" default:"3600" doc:"Seconds for which a row that was read is served on while the database is down; 0 for not at all."`
	BodyCacheSize int64         `key:"BodyCacheSize" default:"64M" doc:"Bytes of bodies up to 256 KB kept in memory (K, M and G as units); 0 for none."`
	StoreTimeout  time.Duration `key:"StoreTimeout" unit:"ms" min:"1" default:"10000" doc:"Milliseconds in which a store must begin to answer, and go on in the middle of a body."`
	StoreRequests int           `key:"StoreRequests" min:"1" default:"256" doc:"Files that are being opened on one store at once; the next ones wait for StoreTimeout."`
	DBTimeout     time.Duration `key:"DBTimeout" unit:"ms" min:"1" default:"3000" doc:"Milliseconds in which the database must tell a row."`

	Listen         string      `key:"Listen" default:"127.0.0.1:8080" env:"DFS_GATEWAY_LISTEN" doc:"Where dfsctl serve listens: host:port, :port or unix:/path, several separated by commas."`
	AdminListen    string      `key:"AdminListen" default:"127.0.0.1:8081" env:"DFS_GATEWAY_ADMIN_LISTEN" doc:"Where it tells about itself: /healthz, /readyz, /metrics; empty for nowhere. Not for the public."`
	SocketMode     fs.FileMode `key:"SocketMode" default:"0666" doc:"Mode of unix: sockets, octal."`
	TLSCertificate string      `key:"TLSCertificate" path:"root" env:"DFS_GATEWAY_TLS_CERTIFICATE" doc:"Certificate with its chain, a PEM file relative to the site root, read again when it changes; empty for no TLS."`
	TLSKey         string      `key:"TLSKey" path:"root" env:"DFS_GATEWAY_TLS_KEY" doc:"Key of TLSCertificate, a PEM file."`
	TrustedProxies []string    `key:"TrustedProxies" env:"DFS_GATEWAY_TRUSTED_PROXIES" doc:"Addresses and networks such as 10.0.0.0/8, or unix for the peers of unix: sockets, whose Forwarded, X-Forwarded-For and X-Request-Id are believed."`
	ProxyProtocol  bool        `key:"ProxyProtocol" default:"disabled" env:"DFS_GATEWAY_PROXY_PROTOCOL" doc:"TrustedProxies must speak the PROXY protocol, version 1 or 2."`

	MaxConnections    int           `key:"MaxConnections" default:"20000" env:"DFS_GATEWAY_MAX_CONNECTIONS" doc:"Connections served at once, beyond which the next ones wait; 0 for no limit."`
	MaxRequests       int           `key:"MaxRequests" default:"4000" env:"DFS_GATEWAY_MAX_REQUESTS" doc:"Requests answered at once, beyond which the next ones get 503; 0 for no limit."`
	ClientShare       int           `key:"ClientShare" min:"1" max:"100" default:"25" env:"DFS_GATEWAY_CLIENT_SHARE" doc:"Percent of MaxRequests that one client, an address or a network /64 of IPv6, may have in flight, beyond which its next ones get 429; 100 for all. Clients on this host have no such bound, nor have TrustedProxies: name every front end there."`
	ReadHeaderTimeout time.Duration `key:"ReadHeaderTimeout" min:"1" default:"10" doc:"Seconds that a client may take to send a request."`
	IdleTimeout       time.Duration `key:"IdleTimeout" min:"1" default:"60" doc:"Seconds for which a connection may wait for the next request."`
	StallTimeout      time.Duration `key:"StallTimeout" min:"1" default:"60" doc:"Seconds for which a client may take nothing of what it asked for. One that takes little, steadily, is served."`
	DrainTimeout      time.Duration `key:"DrainTimeout" default:"30" env:"DFS_GATEWAY_DRAIN_TIMEOUT" doc:"Seconds that requests have to end when the gateway is told to."`

	AccessLog       string `key:"AccessLog" env:"DFS_GATEWAY_ACCESS_LOG" doc:"File of the access log, relative to the site root, or stdout; empty for none."`
	AccessLogFormat string `key:"AccessLogFormat" oneof:"combined|json" default:"combined" env:"DFS_GATEWAY_ACCESS_LOG_FORMAT" doc:"combined, as Apache writes it, or json, one document a line."`
}

// PassThrough is [PassThroughSettings] of file.ini.
type PassThrough struct {
	ContentDisposition map[string]string `key:"ContentDisposition" oneof:"attachment|inline" default:"application/x-shockwave-flash=inline" doc:"Content-Disposition by MIME type, attachment or inline. Files of scope binaryfile or mediafile of any other type are attachments."`
}

// Memcached is [ServerSettings] of memcachedcluster.ini, the settings of the
// legacy's memcached listener.
type Memcached struct {
	Servers        []string      `key:"Servers" env:"DFS_MEMCACHED_SERVERS" doc:"Servers, each host:port or host:port;weight, in the same order on every host."`
	PrefixKey      string        `key:"PrefixKey" doc:"Put before every key."`
	ConnectTimeout time.Duration `key:"ConnectionTimeout" unit:"ms" min:"1" default:"2000" doc:"Milliseconds to connect."`
	Timeout        time.Duration `key:"Timeout" unit:"ms" min:"1" default:"100" doc:"Milliseconds that one answer may take; then the database is asked."`
	TTL            time.Duration `key:"TTL" min:"1" default:"3600" doc:"Seconds for which a row is kept."`
	SharedWithPHP  bool          `key:"SharedWithPHP" default:"enabled" doc:"Whether PHP frontends use the same servers. Without them no change of a family has to remove its rows, or everything, from the servers."`
}

// Files is [FileSettings] of site.ini.
type Files struct {
	VarDir     string      `key:"VarDir" default:"var" doc:"Directory of all files of the site, relative to the site root."`
	StorageDir string      `key:"StorageDir" default:"storage" doc:"Part of a path that makes it a storage file."`
	CacheDir   string      `key:"CacheDir" default:"cache" doc:"Part of a path that makes it a cache file, unless StorageDir is part of it too."`
	FileMode   fs.FileMode `key:"StorageFilePermissions" default:"0666" doc:"Mode of files on NFS, octal; the umask is not applied."`
	DirMode    fs.FileMode `key:"StorageDirPermissions" default:"0777" doc:"Mode of directories on NFS, octal; the umask is not applied."`
}

// Content is [ContentSettings] of site.ini.
type Content struct {
	GenerationTimeout time.Duration `key:"CacheGenerationTimeout" min:"1" default:"60" doc:"Seconds after which another process may take over the generation of a cache file."`
}

// SiteDB is [DatabaseSettings] of site.ini.
type SiteDB struct {
	Charset string `key:"Charset" doc:"Charset of the content database (used by clusterize --content-db); the cluster tables are always read as utf8mb4."`
}

// NFS is one mounted tree. The instance "nfs" takes MountPointPath from
// [eZDFSClusteringSettings]; "nfs:cold" from the group [nfs:cold] of file.ini.
type NFS struct {
	Name           string
	MountPointPath string      `key:"MountPointPath" path:"root" env:"DFS_NFS_*_MOUNT_POINT_PATH" doc:"Root of the tree, absolute or relative to the site root."`
	FileMode       fs.FileMode `key:"StorageFilePermissions" doc:"Mode of files, octal; by default that of site.ini."`
	DirMode        fs.FileMode `key:"StorageDirPermissions" doc:"Mode of directories, octal; by default that of site.ini."`
	Trash          string      `key:"Trash" doc:"Directory of the store, such as trash, into which purges and checks move bodies instead of deleting them; empty for none. Empty it before you change this."`
}

// S3 is one bucket: [BackendSettings] of dfsamazons3.ini for the instance
// "s3", the group [s3:media] of the same file for "s3:media".
type S3 struct {
	Name                 string
	AccessKeyID          string `key:"AccessKeyID" env:"DFS_S3_*_ACCESS_KEY_ID" doc:"Access key; empty, with an empty secret, for the default credential chain."`
	SecretAccessKey      Secret `key:"SecretAccessKey" env:"DFS_S3_*_SECRET_ACCESS_KEY" doc:"Secret key."`
	Bucket               string `key:"Bucket" env:"DFS_S3_*_BUCKET" doc:"Bucket name."`
	Region               string `key:"Region" default:"us-east-1" env:"DFS_S3_*_REGION" doc:"Region of the bucket."`
	Version              string `key:"Version" doc:"Ignored; the PHP SDK wanted it."`
	Endpoint             string `key:"Endpoint" env:"DFS_S3_*_ENDPOINT" doc:"URL of an S3-compatible service; empty for Amazon."`
	UsePathStyleEndpoint bool   `key:"UsePathStyleEndpoint" default:"disabled" doc:"Put the bucket into the path instead of the host name."`
	Prefix               string `key:"Prefix" doc:"Put before every path to make the object key, byte for byte."`
	Trash                string `key:"Trash" doc:"Directory of the store, such as trash, into which purges and checks move bodies instead of deleting them; empty for none. Empty it before you change this."`
	ACL                  string `key:"ACL" oneof:"private|public-read|public-read-write|authenticated-read|aws-exec-read|bucket-owner-read|bucket-owner-full-control" doc:"Canned ACL sent with every write, such as public-read; empty sends none."`
	StorageClass         string `key:"StorageClass" doc:"Storage class sent with every write."`
	ServerSideEncryption string `key:"ServerSideEncryption" oneof:"AES256|aws:kms|aws:kms:dsse" doc:"AES256, aws:kms or aws:kms:dsse; empty leaves it to the bucket."`
	CacheControl         string `key:"CacheControl" doc:"Cache-Control kept with every object."`
	PublicURL            string `key:"PublicURL" doc:"Base of public URLs, such as a CDN's; by default the object's own URL."`
	PartSize             int64  `key:"PartSize" min:"5M" max:"5G" default:"8M" doc:"Bytes of one part of a multipart upload (K, M and G as units); bodies up to this size are held in memory."`
	Concurrency          int    `key:"Concurrency" min:"1" max:"256" default:"3" doc:"Parts of one body uploaded at the same time."`
	AbortUploads         bool   `key:"AbortUploads" default:"disabled" doc:"Abort multipart uploads that fail. The legacy's IAM policy does not allow it: grant s3:AbortMultipartUpload, or let a lifecycle rule of the bucket remove them."`
}

// GCS is one bucket: [BackendSettings] of dfsgcs.ini for the instance "gcs",
// the group [gcs:archive] of the same file for "gcs:archive".
type GCS struct {
	Name            string
	Bucket          string `key:"Bucket" env:"DFS_GCS_*_BUCKET" doc:"Bucket name."`
	ProjectID       string `key:"ProjectID" env:"DFS_GCS_*_PROJECT_ID" doc:"Project that pays for requests; needed for requester-pays buckets only."`
	CredentialsFile string `key:"CredentialsFile" path:"root" env:"DFS_GCS_*_CREDENTIALS_FILE" doc:"Service account key, relative to the site root; empty for the default credentials."`
	Endpoint        string `key:"Endpoint" env:"DFS_GCS_*_ENDPOINT" doc:"URL of an emulator, used without credentials unless CredentialsFile is set; empty for Google."`
	Prefix          string `key:"Prefix" doc:"Put before every path to make the object name, byte for byte."`
	Trash           string `key:"Trash" doc:"Directory of the store, such as trash, into which purges and checks move bodies instead of deleting them; empty for none. Empty it before you change this."`
	ACL             string `key:"ACL" oneof:"authenticatedRead|bucketOwnerFullControl|bucketOwnerRead|private|projectPrivate|publicRead|publicReadWrite" doc:"Predefined ACL sent with every write, such as publicRead; empty sends none."`
	StorageClass    string `key:"StorageClass" doc:"Storage class of new objects."`
	CacheControl    string `key:"CacheControl" doc:"Cache-Control kept with every object."`
	PublicURL       string `key:"PublicURL" doc:"Base of public URLs, such as a CDN's; by default the object's own URL."`
}
