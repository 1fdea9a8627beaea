package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair are the files of a certificate.
type pair struct{ cert, key string }

// writePair writes a certificate with the serial number to dir.
func writePair(t *testing.T, dir string, serial int64) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	err = errors.Join(
		os.WriteFile(files.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o666),
		os.WriteFile(files.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// serial shakes hands and returns the serial number of the certificate and the
// protocol agreed on.
func serial(t *testing.T, address string, config *tls.Config) (int64, string) {
	t.Helper()
	c, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	state := c.ConnectionState()
	return state.PeerCertificates[0].SerialNumber.Int64(), state.NegotiatedProtocol
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	files := writePair(t, dir, 1)
	s := start(t, Options{TLSCertificate: files.cert, TLSKey: files.key}, hello)
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}
	if got, protocol := serial(t, s.address(), config); got != 1 || protocol != "h2" {
		t.Errorf("certificate %d, protocol %q", got, protocol)
	}
	if got, protocol := serial(t, s.address(), &tls.Config{InsecureSkipVerify: true}); got != 1 || protocol != "" {
		t.Errorf("without ALPN: certificate %d, protocol %q", got, protocol)
	}
	_, err := tls.Dial("tcp", s.address(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 was accepted")
	}

	writePair(t, dir, 2)
	if err := s.Reload(); err != nil {
		t.Error(err)
	}
	if got, _ := serial(t, s.address(), config); got != 2 {
		t.Errorf("after a reload: certificate %d", got)
	}
	if err := os.WriteFile(files.key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil {
		t.Error("a broken key was taken")
	}
	if got, _ := serial(t, s.address(), config); got != 2 {
		t.Errorf("after a failed reload: certificate %d", got)
	}
}

// TestCertificateChanges: files that change are noticed without being told.
func TestCertificateChanges(t *testing.T) {
	dir := t.TempDir()
	files := writePair(t, dir, 1)
	logger, logged := logTo(t)
	c, err := newCertificate(files.cert, files.key, logger)
	if err != nil {
		t.Fatal(err)
	}
	look := func() int64 {
		c.mu.Lock()
		c.checked = time.Now().Add(-recheck) // as if the last look was that long ago
		c.mu.Unlock()
		return c.current().Leaf.SerialNumber.Int64()
	}
	if got := look(); got != 1 {
		t.Errorf("certificate %d", got)
	}
	writePair(t, dir, 2)
	touch(t, files.cert)
	if got := c.current().Leaf.SerialNumber.Int64(); got != 1 {
		t.Errorf("too early: certificate %d", got)
	}
	if got := look(); got != 2 {
		t.Errorf("changed: certificate %d", got)
	}
	if err := os.Remove(files.key); err != nil {
		t.Fatal(err)
	}
	if got := look(); got != 2 || logged.Len() == 0 {
		t.Errorf("key gone: certificate %d, logged %q", got, logged)
	}
}

// touch gives a file a time that it did not have.
func touch(t *testing.T, file string) {
	t.Helper()
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(file, later, later); err != nil {
		t.Fatal(err)
	}
}

// TestWrongCertificateIsNamed: the files that are to be mended, and the keys
// of file.ini that name them.
func TestWrongCertificateIsNamed(t *testing.T) {
	files := writePair(t, t.TempDir(), 1)
	if err := os.WriteFile(files.key, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Listen(t.Context(), Options{Listen: []string{"127.0.0.1:0"}, TLSCertificate: files.cert, TLSKey: files.key})
	for _, want := range []string{"[Gateway] TLSCertificate", files.cert, files.key} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
