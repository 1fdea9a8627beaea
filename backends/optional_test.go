package backends_test

import (
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
)

// signing wraps a backend and could sign, if only that could.
type signing struct {
	backends.Backend
	backends.URLSigner
}

func (s signing) Unwrap() backends.Backend { return s.Backend }

// TestAs: a wrapper has an optional interface if it and all that it wraps do.
func TestAs(t *testing.T) {
	plain := backendtest.NewMemory("memory")
	signer := struct {
		backends.Backend
		backends.URLSigner
	}{Backend: plain}
	for name, test := range map[string]struct {
		b    backends.Backend
		want bool
	}{
		"plain":                                {plain, false},
		"a signer":                             {signer, true},
		"a wrapper of a plain":                 {signing{Backend: plain}, false},
		"a wrapper of a signer, wrapped again": {signing{Backend: signing{Backend: signer}}, true},
		"a wrapper of a wrapper of a plain":    {signing{Backend: signing{Backend: plain}}, false},
	} {
		if got, ok := backends.As[backends.URLSigner](test.b); ok != test.want || ok && got != test.b.(backends.URLSigner) {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
}
