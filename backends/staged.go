package backends

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// StagedPrefix begins the base name of every body that is not published, the
// legacy's temporary files included (contract section 5). No listing shows
// such names and no path may have them.
const StagedPrefix = "ezfile-tmp."

// IsStagedPath reports whether path lies under a name reserved for bodies in
// the making: a segment that begins with StagedPrefix.
func IsStagedPath(path string) bool {
	return strings.HasPrefix(path, StagedPrefix) || strings.Contains(path, "/"+StagedPrefix)
}

// StagedName says who staged a body and when.
type StagedName struct {
	Time time.Time // to the second
	PID  int
	Host string
}

// NewStagedName returns a fresh base name for a staged body of this process:
// ezfile-tmp.<unix time>-<pid>-<random>-<host>.
func NewStagedName() string {
	var random [8]byte
	rand.Read(random[:])
	host, _ := os.Hostname()
	return fmt.Sprintf("%s%d-%d-%s-%s", StagedPrefix, time.Now().Unix(), os.Getpid(),
		hex.EncodeToString(random[:]), safeHost(host))
}

// ParseStagedName reads a base name made by NewStagedName. It reports false
// for the legacy's ezfile-tmp.<md5>, whose maker is unknown.
func ParseStagedName(name string) (StagedName, bool) {
	rest, ok := strings.CutPrefix(name, StagedPrefix)
	parts := strings.SplitN(rest, "-", 4)
	if !ok || len(parts) != 4 {
		return StagedName{}, false
	}
	unix, err1 := strconv.ParseInt(parts[0], 10, 64)
	pid, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil {
		return StagedName{}, false
	}
	return StagedName{Time: time.Unix(unix, 0), PID: pid, Host: parts[3]}, true
}

// safeHost keeps a host name usable as part of a file name and short.
func safeHost(host string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, host)
	return clean[:min(len(clean), 64)]
}
