package settings

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const gatewayGroup = "Gateway"

// checkGateway looks at the files that the gateway needs to start.
func (c *checker) checkGateway() {
	g := c.settings.Gateway
	if g.TLSCertificate != "" && g.TLSKey != "" { // one alone is for the server to refuse
		c.checkCertificate(g.TLSCertificate, g.TLSKey)
	}
	if g.AccessLog != "" && g.AccessLog != "stdout" {
		c.checkAccessLog(g.AccessLog)
	}
}

func (c *checker) checkCertificate(certificate, key string) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	var file *fs.PathError
	switch {
	case errors.As(err, &file) && file.Path == key:
		c.add(SeverityError, "file.ini", gatewayGroup, "TLSKey", err.Error(), "correct the path or the file's permissions")
	case errors.As(err, &file):
		c.add(SeverityError, "file.ini", gatewayGroup, "TLSCertificate", err.Error(), "correct the path or the file's permissions")
	case err != nil:
		c.add(SeverityError, "file.ini", gatewayGroup, "TLSCertificate", fmt.Sprintf("%s with the key %s cannot be used: %v", certificate, key, err),
			"give both in PEM: the certificate with its chain, and its key")
	case pair.Leaf != nil && time.Now().After(pair.Leaf.NotAfter):
		c.add(SeverityWarning, "file.ini", gatewayGroup, "TLSCertificate", fmt.Sprintf("%s expired on %s", certificate, pair.Leaf.NotAfter.Format(time.DateOnly)), "renew it")
	}
	if info, err := os.Stat(key); err == nil && info.Mode().Perm()&0o004 != 0 {
		c.add(SeverityWarning, "file.ini", gatewayGroup, "TLSKey", key+" can be read by every user of this host", "chmod o= "+key)
	}
}

// checkAccessLog: the file is made where it is missing, its directory is not.
func (c *checker) checkAccessLog(name string) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(c.settings.Root, name)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		name = filepath.Dir(name)
		err = unix.Access(name, unix.W_OK|unix.X_OK)
	case err == nil && info.IsDir():
		err = unix.EISDIR
	case err == nil:
		err = unix.Access(name, unix.W_OK)
	}
	if err != nil {
		c.add(SeverityError, "file.ini", gatewayGroup, "AccessLog", fmt.Sprintf("%s cannot be written to: %v", name, err),
			"name a file in a directory that is there and writable for the user that runs dfsctl serve")
	}
}
