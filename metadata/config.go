package metadata

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"example.com/ezdfs/settings"
)

// Engine names the kind of database; settings names them.
type Engine = settings.Engine

// The engines.
const (
	MySQL  = settings.MySQL  // MySQL, MariaDB and what speaks their protocol
	SQLite = settings.SQLite // one file on this host
)

// Config says which database to open and how. Start from [ConfigFrom], or fill
// in Engine and Name and what the engine needs.
type Config struct {
	Engine Engine

	Host     string // MySQL: host name or address
	ReadHost string // MySQL: a replica for listings that may lag, host or host:port
	Port     int    // MySQL: 0 means 3306
	Socket   string // MySQL: unix socket; when set, Host and Port are not used
	Name     string // MySQL: database; SQLite: the file
	User     string
	Password settings.Secret

	// ConnectRetries is how often to try again to connect.
	ConnectRetries int
	// ExecuteRetries is how often to rerun a transaction after a deadlock or a
	// lock wait.
	ExecuteRetries int
	// MaxConns bounds the connections of one pool; 0 means 32.
	MaxConns int
	// Create lets Open make a missing SQLite file. Its directory must exist.
	Create bool

	Layout Layout
	// Hostname stands in the journal as the origin of changes; "" means the
	// name of this host.
	Hostname string
	// Logger receives what is worth knowing but no error; nil discards it.
	Logger *slog.Logger
	// Observe is told of every operation when it has ended; nil for nobody.
	Observe Observer
}

// ConfigFrom returns what the settings say. An unknown DBBackend is an error.
func ConfigFrom(s settings.Settings) (Config, error) {
	engine, err := s.DFS.Engine()
	if err != nil {
		return Config{}, fmt.Errorf("file.ini [eZDFSClusteringSettings] DBBackend: %w", err)
	}
	name := s.DFS.DBName
	if engine == SQLite && name != "" && !filepath.IsAbs(name) {
		name = filepath.Join(s.Root, name)
	}
	return Config{
		Engine: engine, Host: s.DFS.DBHost, ReadHost: s.DFS.DBReadHost, Port: s.DFS.DBPort,
		Socket: s.DFS.DBSocket, Name: name, User: s.DFS.DBUser, Password: s.DFS.DBPassword,
		ConnectRetries: s.DFS.DBConnectRetries, ExecuteRetries: s.DFS.DBExecuteRetries,
		Layout: Layout{
			VarDir: s.Files.VarDir, CacheDir: s.Files.CacheDir,
			StorageDir: s.Files.StorageDir, CacheTable: s.DFS.TableCache,
		},
	}, nil
}

// identifier is what a table may be called.
var identifier = regexp.MustCompile(`^[A-Za-z0-9_$]{1,64}$`)

// withDefaults fills in what was left empty and refuses what cannot work.
func (c Config) withDefaults() (Config, error) {
	if c.Engine != MySQL && c.Engine != SQLite {
		return c, &Error{Op: "open", Subject: string(c.Engine), Kind: ErrUnavailable, Hint: "unknown database engine; set DBBackend"}
	}
	if c.Name == "" {
		return c, &Error{Op: "open", Kind: ErrUnavailable, Hint: "no database named; set DBName"}
	}
	if c.Layout.CacheTable == "" {
		c.Layout.CacheTable = StorageTable
	}
	if !identifier.MatchString(c.Layout.CacheTable) {
		return c, &Error{Op: "open", Subject: c.Layout.CacheTable, Kind: ErrSchema, Hint: "not a table name; set MetaDataTableNameCache"}
	}
	if c.Port == 0 {
		c.Port = 3306
	}
	if c.MaxConns <= 0 {
		c.MaxConns = 32
	}
	if c.Hostname == "" {
		c.Hostname, _ = os.Hostname()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// How long things may take that nobody else bounds.
const (
	dialTimeout  = 10 * time.Second
	connLifetime = 5 * time.Minute
	// commitGrace is how long a transaction whose side effects have happened
	// may go on after its caller gave up.
	commitGrace = 15 * time.Second
)
