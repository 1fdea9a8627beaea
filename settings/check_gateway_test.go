package settings

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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

// writeCertificate writes cert.pem and key.pem, in PEM.
func writeCertificate(t *testing.T, dir string, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o644),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestCheckGateway: what keeps dfsctl serve from starting is found before.
func TestCheckGateway(t *testing.T) {
	const both = "TLSCertificate=cert.pem\nTLSKey=key.pem\n"
	for name, test := range map[string]struct {
		lines  string
		change func(root string) error
		want   []string // key, and the beginning of the message after the site root
	}{
		"sound":                     {both + "AccessLog=var/log/access.log\n", nil, nil},
		"no certificate":            {"TLSCertificate=none.pem\nTLSKey=key.pem\n", nil, []string{"TLSCertificate: open none.pem"}},
		"no key":                    {"TLSCertificate=cert.pem\nTLSKey=none.pem\n", nil, []string{"TLSKey: open none.pem"}},
		"no PEM":                    {both, func(root string) error { return os.WriteFile(filepath.Join(root, "cert.pem"), []byte("x"), 0o644) }, []string{"TLSCertificate: cert.pem with the key key.pem cannot be used"}},
		"swapped":                   {"TLSCertificate=key.pem\nTLSKey=cert.pem\n", func(root string) error { return os.Chmod(filepath.Join(root, "cert.pem"), 0o600) }, []string{"TLSCertificate: key.pem with"}},
		"a key for everybody":       {both, func(root string) error { return os.Chmod(filepath.Join(root, "key.pem"), 0o644) }, []string{"TLSKey: key.pem can be read by every user"}},
		"one alone":                 {"TLSCertificate=none.pem\n", nil, nil}, // the server says so
		"a log on stdout":           {"AccessLog=stdout\n", nil, nil},
		"a log in no directory":     {"AccessLog=none/access.log\n", nil, []string{"AccessLog: none cannot be written to: no such file"}},
		"a log that is a directory": {"AccessLog=var\n", nil, []string{"AccessLog: var cannot be written to: is a directory"}},
		"a log below a file":        {"AccessLog=cert.pem/access.log\n", nil, []string{"AccessLog: cert.pem/access.log cannot be written to: "}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := optionsFor(t, map[string]string{"file.ini": "[Gateway]\n" + test.lines})
			writeCertificate(t, opts.Root, time.Now().Add(time.Hour))
			if err := os.MkdirAll(filepath.Join(opts.Root, "var", "log"), 0o755); err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				if err := test.change(opts.Root); err != nil {
					t.Fatal(err)
				}
			}
			checkProblems(t, opts, test.want)
		})
	}
}

// checkProblems holds the problems of the gateway's settings against what they
// begin with.
func checkProblems(t *testing.T, opts Options, want []string) {
	t.Helper()
	var got []string
	for _, p := range Check(t.Context(), opts) {
		if p.Group != gatewayGroup {
			continue
		}
		got = append(got, p.Key+": "+strings.ReplaceAll(p.Message, opts.Root+"/", ""))
		if p.Origin.Line == 0 || p.Fix == "" {
			t.Errorf("no place, or nothing to do: %+v", p)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%q, want %q", got, want)
	}
	for i, message := range got {
		if !strings.HasPrefix(message, want[i]) {
			t.Errorf("%q, want %q", message, want[i])
		}
	}
}

func TestCheckExpiredCertificate(t *testing.T) {
	opts := optionsFor(t, map[string]string{"file.ini": "[Gateway]\nTLSCertificate=cert.pem\nTLSKey=key.pem\n"})
	writeCertificate(t, opts.Root, time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC))
	checkProblems(t, opts, []string{"TLSCertificate: cert.pem expired on 2020-01-02"})
}
