package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// recheck is how often a handshake looks whether the files have changed.
const recheck = 10 * time.Second

// certificate is a key pair from files, read again when they change.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	stamps  [2]stamp
	checked time.Time
}

// CertificateError says that a certificate cannot be used.
type CertificateError struct {
	Certificate, Key string // files
	Err              error
}

func (e *CertificateError) Error() string {
	return fmt.Sprintf("[Gateway] TLSCertificate %s, TLSKey %s: %v", e.Certificate, e.Key, e.Err)
}

func (e *CertificateError) Unwrap() error { return e.Err }

// stamp tells whether a file has changed.
type stamp struct {
	modified time.Time
	size     int64
}

func newCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	return c, c.reload()
}

// config is that of a server which speaks TLS 1.2 and later, and HTTP/2.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current(), nil
		},
	}
}

// current returns the pair, after another look at the files if the last was a
// while ago. Files that do not fit each other, such as while they are being
// replaced, leave the old pair in place.
func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) >= recheck && c.look() != c.stamps {
		if err := c.read(); err != nil {
			c.logger.Error("the certificate on disk cannot be used; the old one stays",
				"file", c.certFile, "error", err)
		}
	}
	return c.pair
}

// reload reads the files now.
func (c *certificate) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read()
}

// read replaces the pair. The files are looked at before they are read, so
// that a change meanwhile is seen the next time.
func (c *certificate) read() error {
	stamps := c.look()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return &CertificateError{c.certFile, c.keyFile, err}
	}
	c.pair, c.stamps = &pair, stamps
	return nil
}

func (c *certificate) look() (stamps [2]stamp) {
	c.checked = time.Now()
	for i, file := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(file); err == nil {
			stamps[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}
