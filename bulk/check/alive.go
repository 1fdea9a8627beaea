package check

import (
	"errors"
	"os"
	"syscall"
	"time"

	"example.com/ezdfs/backends"
)

// longStaging is how long a process is believed to be staging one body. A
// process of that number may be another by then.
const longStaging = 24 * time.Hour

// lives reports whether who staged a body is still running on this host. Of
// another host nobody can say.
func (r *run) lives(w backends.StagedName) bool {
	host, err := os.Hostname()
	if err != nil || w.Host == "" || w.Host != host || w.PID <= 0 || w.Time.Add(longStaging).Before(r.Now()) {
		return false
	}
	err = syscall.Kill(w.PID, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
