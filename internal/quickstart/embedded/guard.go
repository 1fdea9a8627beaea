package embedded

import (
	"net/http"
	"strings"
)

// guard keeps web pages out, which a browser on this machine lets talk to
// ports of 127.0.0.1: requests under another host's name (DNS rebinding), and
// those of scripts that would change something. The emulator's own controls,
// which wipe everything, stay closed to all.
func guard(address string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case r.Host != address:
			http.Error(w, "this service is "+address, http.StatusMisdirectedRequest)
		case !reads && r.Header.Get("Origin") != "":
			http.Error(w, "not for web pages", http.StatusForbidden)
		case strings.HasPrefix(r.URL.Path, "/_internal"):
			http.NotFound(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
