// Package errorpage answers requests with a status and a few words about it, in
// HTML or JSON, whichever the client would rather have:
//
//	errorpage.Write(w, r, http.StatusNotFound)
//
// What net/http answers by itself, before there is a handler, is text: 400 for
// what is no HTTP, 431 for too much of a header, 417 and 501 for expectations
// and encodings that it does not know. No program can change that.
package errorpage

import (
	"fmt"
	"net/http"
	"strconv"
)

// Write answers r with a status. Headers that were set before stay.
func Write(w http.ResponseWriter, r *http.Request, status int) {
	text := http.StatusText(status)
	kind, body := "text/html; charset=utf-8", fmt.Sprintf(
		"<!DOCTYPE html>\n<html lang=\"en\"><head><title>%d %s</title></head><body><h1>%[1]d %[2]s</h1></body></html>\n", status, text)
	if prefersJSON(r.Header["Accept"]) {
		kind, body = "application/json", fmt.Sprintf("{\"status\":%d,\"error\":%q}\n", status, text)
	}
	header := w.Header()
	header.Set("Content-Type", kind)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Add("Vary", "Accept")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write([]byte(body)) // who does not read it needs no telling
	}
}
