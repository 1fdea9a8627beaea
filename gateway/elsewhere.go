package gateway

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/errorpage"
)

// elsewhere answers requests for files that somebody else is to send: their
// store after a redirect, or the web server in front.
func (x *exchange) elsewhere(name string) (done bool, err error) {
	if x.migratesFrom(name) != "" {
		return false, nil // nobody else knows where it lies by the time he looks
	}
	kind := x.redirectKind(name)
	if kind == "" && x.o.SendfileHeader == "" {
		return false, nil
	}
	if kind != "" {
		location, err := x.location(name, kind)
		if err != nil {
			return false, err
		}
		if location != "" {
			return true, x.redirect(name, location, kind)
		}
	}
	if x.o.SendfileHeader == "" {
		return false, nil
	}
	u, err := x.files.URL(name)
	if err != nil || !strings.HasPrefix(u, "/") {
		return false, err
	}
	return true, x.sendfile(name)
}

// redirectKind returns the kind of the longest prefix that matches. A private
// file is never sent to its public URL.
func (x *exchange) redirectKind(name string) Redirect {
	var kind Redirect
	longest := -1
	for prefix, k := range x.o.Redirects {
		prefix = strings.TrimLeft(prefix, "/")
		if len(prefix) > longest && strings.HasPrefix(name, prefix) {
			kind, longest = k, len(prefix)
		}
	}
	if x.access.private && kind == RedirectPublic {
		return ""
	}
	return kind
}

// location returns the URL of a file at its store, "" where it has none.
func (x *exchange) location(name string, kind Redirect) (string, error) {
	if kind == RedirectPublic {
		u, err := x.files.URL(name)
		if strings.HasPrefix(u, "/") {
			u = ""
		}
		return u, err
	}
	lifetime := x.o.RedirectLifetime
	if x.access.private {
		lifetime = max(time.Second, min(lifetime, x.access.until.Sub(x.now)))
	}
	u, err := x.files.SignURL(x.r.Context(), name, lifetime)
	if errors.Is(err, errors.ErrUnsupported) {
		return "", nil
	}
	return u, err
}

// redirect sends the client to a URL, if the file exists. A signed one is for
// this client alone.
func (x *exchange) redirect(name, location string, kind Redirect) error {
	row, err := x.row(name)
	if err != nil {
		return err
	}
	x.always(x.w.Header())
	if kind == RedirectPublic {
		d := x.describe(row.Row)
		x.setFreshness(x.w.Header(), d, d.validators(x.now))
		x.setAge(row)
		x.setSurrogateKeys(x.w.Header(), d)
		x.w.Header().Del("Etag") // it is the file's, not the redirect's
	} else {
		x.w.Header().Set("Cache-Control", "no-store")
	}
	x.w.Header().Set("Location", location)
	errorpage.Write(x.w, x.r, http.StatusFound)
	return nil
}

// sendfile has the web server in front send a file, conditions, ranges and
// validators included: those must all be of one mind. What is not there, or is
// not what the row says, is found out before, as that of any other file.
func (x *exchange) sendfile(name string) error {
	row, err := x.row(name)
	if err != nil {
		return err
	}
	b, err := x.openBody(row, false, []cluster.ReadOption{cluster.Range(0, 0)})
	if err != nil {
		return err
	}
	b.Close()
	row = b.row
	header, d := x.w.Header(), x.describe(row.Row)
	x.setAll(header, d, row, d.validators(x.now))
	for _, key := range []string{"Etag", "Last-Modified", "Accept-Ranges"} {
		header.Del(key)
	}
	target := name
	if http.CanonicalHeaderKey(x.o.SendfileHeader) == "X-Accel-Redirect" { // a URI, not a file name
		target = backends.EscapePath(name)
	}
	header.Set(x.o.SendfileHeader, x.o.SendfilePrefix+target)
	x.w.WriteHeader(http.StatusOK)
	return nil
}
