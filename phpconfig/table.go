package phpconfig

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// mapping is one constant and what it means here.
type mapping struct {
	constant         string
	file, group, key string // the setting, "" where there is none
	server           bool   // of a database server: not for SQLite
	apply            func(a *applier, m mapping, k Constant) error
}

const (
	dfsGroup     = "eZDFSClusteringSettings"
	gatewayGroup = "Gateway"
	filesGroup   = "FileSettings"
)

// mappings are all constants of the gateway, in the order in which they are
// applied: the backend decides what the others mean.
func mappings() []mapping {
	return []mapping{
		{"CLUSTER_STORAGE_BACKEND", "file.ini", dfsGroup, "DBBackend", false, (*applier).backend},
		{"CLUSTER_STORAGE_HOST", "file.ini", dfsGroup, "DBHost", true, (*applier).host},
		{"CLUSTER_STORAGE_PORT", "file.ini", dfsGroup, "DBPort", true, (*applier).port},
		{"CLUSTER_STORAGE_USER", "file.ini", dfsGroup, "DBUser", true, (*applier).text},
		{"CLUSTER_STORAGE_PASS", "file.ini", dfsGroup, "DBPassword", true, (*applier).text},
		{"CLUSTER_STORAGE_DB", "file.ini", dfsGroup, "DBName", true, (*applier).text},
		{"CLUSTER_STORAGE_CHARSET", "", "", "", true, (*applier).charset},
		{"CLUSTER_MOUNT_POINT_PATH", "file.ini", dfsGroup, "MountPointPath", false, (*applier).text},
		{"CLUSTER_METADATA_TABLE_CACHE", "file.ini", dfsGroup, "MetaDataTableNameCache", false, (*applier).table},
		{"CLUSTER_METADATA_CACHE_PATH", "site.ini", filesGroup, "CacheDir", false, (*applier).directory},
		{"CLUSTER_METADATA_STORAGE_PATH", "site.ini", filesGroup, "StorageDir", false, (*applier).directory},
		{"CLUSTER_ENABLE_HTTP_CACHE", "file.ini", gatewayGroup, "HTTPCache", false, (*applier).flag},
		{"CLUSTER_ENABLE_HTTP_RANGE", "file.ini", gatewayGroup, "HTTPRange", false, (*applier).flag},
		{"CLUSTER_EXPIRY_TIMEOUT", "file.ini", gatewayGroup, "ExpiryTimeout", false, (*applier).expiry},
		{"CLUSTER_HEADER_X_POWERED_BY", "file.ini", gatewayGroup, "XPoweredBy", false, (*applier).poweredBy},
		{"CLUSTER_ENABLE_DEBUG", "", "", "", false, (*applier).debug},
		{"CLUSTER_PERSISTENT_CONNECTION", "", "", "", false, (*applier).persistent},
		{"CLUSTER_STORAGE_GATEWAY_PATH", "", "", "", false, (*applier).gatewayPath},
	}
}

// backend accepts the gateways to MySQL. Null is how PHP switches its gateway
// off.
func (a *applier) backend(m mapping, k Constant) error {
	if k.Value == nil {
		return k.errorf("is null, which switches the gateway off; write 'dfsmysqli'")
	}
	return withText(k, func(value string) error {
		if !slices.Contains([]string{"dfsmysqli", "dfsmysql"}, value) {
			return k.errorf("is %q, whose tables cannot be read; only dfsmysqli and dfsmysql can", value)
		}
		return a.set(m.file, m.group, m.key, "eZDFSFileHandlerMySQLiBackend", k)
	})
}

// host takes a server as PHP's connect functions do: mysqli takes host:port,
// its predecessor sockets too. To both, localhost alone means a socket, so one
// that the INI files name stays; any other host replaces it.
func (a *applier) host(m mapping, k Constant) error {
	return withText(k, func(value string) error {
		host, port, socket := splitServer(value)
		if host != "localhost" || port != "" {
			if err := a.set(m.file, m.group, "DBSocket", socket, k); err != nil || socket != "" {
				return err
			}
		}
		if port != "" {
			if err := a.set(m.file, m.group, "DBPort", port, k); err != nil {
				return err
			}
		}
		return a.set(m.file, m.group, m.key, host, k)
	})
}

// splitServer takes apart host, host:port, :/socket, host:/socket and /socket,
// and drops the prefix that asks for a persistent connection.
func splitServer(server string) (host, port, socket string) {
	server = strings.TrimPrefix(server, "p:")
	if at := strings.Index(server, "/"); at == 0 || at > 0 && server[at-1] == ':' {
		return "", "", server[at:]
	}
	host, port, err := net.SplitHostPort(server)
	if err != nil { // no port, or an IPv6 address without brackets
		host, port = strings.TrimSuffix(strings.Trim(server, "[]"), ":"), ""
	}
	if host == "" {
		host = "localhost"
	}
	return host, port, ""
}

// port takes a number from 1 to 65535; 0 is PHP's default. A port in the host
// counts before it.
func (a *applier) port(m mapping, k Constant) error {
	n, err := k.Int()
	if err != nil || n == 0 {
		return err
	}
	if host, ok := a.config.Lookup("CLUSTER_STORAGE_HOST"); ok {
		server, _ := host.Value.(string)
		if _, port, _ := splitServer(server); port != "" {
			if port != strconv.FormatInt(n, 10) {
				a.warn(k, "is not used: CLUSTER_STORAGE_HOST names port %s", port)
			}
			return nil
		}
	}
	return a.set(m.file, m.group, m.key, strconv.FormatInt(n, 10), k)
}

func (a *applier) text(m mapping, k Constant) error {
	return withText(k, func(value string) error { return a.set(m.file, m.group, m.key, value, k) })
}

// charset has no setting: the tables are always read as utf8mb4.
func (a *applier) charset(_ mapping, k Constant) error {
	return withText(k, func(value string) error {
		if !slices.Contains([]string{"", "utf8", "utf8mb3", "utf8mb4", "utf-8"}, strings.ToLower(value)) {
			a.warn(k, "is %q and has no effect: names are read as utf8mb4", value)
		}
		return nil
	})
}

func (a *applier) table(m mapping, k Constant) error {
	return withText(k, func(value string) error { return a.setAlike(m, value, a.settings.DFS.TableCache, k) })
}

// directory takes the text that paths of a table contain, which has slashes
// around it in PHP's gateway and none in site.ini.
func (a *applier) directory(m mapping, k Constant) error {
	return withText(k, func(value string) error {
		dir := strings.Trim(value, "/")
		if dir == "" {
			return k.errorf("names no directory; write %q", "/"+strings.ToLower(strings.TrimSuffix(m.key, "Dir"))+"/")
		}
		before := a.settings.Files.CacheDir
		if m.key == "StorageDir" {
			before = a.settings.Files.StorageDir
		}
		return a.setAlike(m, dir, before, k)
	})
}

func (a *applier) flag(m mapping, k Constant) error {
	on, err := k.Bool()
	if err != nil {
		return err
	}
	word := "disabled"
	if on {
		word = "enabled"
	}
	return a.set(m.file, m.group, m.key, word, k)
}

// expiry takes seconds, false for no header.
func (a *applier) expiry(m mapping, k Constant) error {
	value, err := seconds(k)
	if err != nil {
		return err
	}
	if value == "0" && k.Value != false {
		a.warn(k, "is 0: no Expires is sent, where PHP sends one of the current time; write false if none is meant")
	}
	return a.set(m.file, m.group, m.key, value, k)
}

// poweredBy takes a text, false for no header.
func (a *applier) poweredBy(m mapping, k Constant) error {
	if k.Value == false {
		return a.set(m.file, m.group, m.key, "", k)
	}
	return a.text(m, k)
}

// debug has no setting: clients are never shown the cause of an error.
func (a *applier) debug(_ mapping, k Constant) error {
	on, err := k.Bool()
	if on {
		a.warn(k, "has no effect: clients are not shown the cause of an error, the log is; see --log-level")
	}
	return err
}

// persistent has no setting: connections are always kept.
func (a *applier) persistent(_ mapping, k Constant) error {
	_, err := k.Bool()
	return err
}

// gatewayPath has no setting: it names a gateway written in PHP.
func (a *applier) gatewayPath(_ mapping, k Constant) error {
	a.warn(k, "has no effect: it names a gateway written in PHP")
	return nil
}
