package gateway

import "net/http"

// cors lets scripts of the allowed origins read the answer, by the Fetch
// standard. Where origins are told apart every answer varies by them.
func (x *exchange) cors(header http.Header) {
	if len(x.origins) == 0 {
		return
	}
	allowed := "*"
	if !x.origins["*"] {
		header.Add("Vary", "Origin")
		if allowed = x.r.Header.Get("Origin"); !x.origins[allowed] {
			return
		}
	}
	header.Set("Access-Control-Allow-Origin", allowed)
	header.Set("Access-Control-Expose-Headers", "Accept-Ranges, Content-Range, ETag")
}

// options answers OPTIONS (RFC 9110 section 9.3.7), preflights included. It
// asks about no file.
func (x *exchange) options() {
	header := x.w.Header()
	x.always(header)
	header.Set("Allow", allow)
	if header.Get("Access-Control-Allow-Origin") != "" && x.r.Header.Get("Access-Control-Request-Method") != "" {
		header.Set("Access-Control-Allow-Methods", allow)
		header.Set("Access-Control-Allow-Headers", "If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Range")
		header.Set("Access-Control-Max-Age", "86400")
	}
	x.w.WriteHeader(http.StatusNoContent)
}
