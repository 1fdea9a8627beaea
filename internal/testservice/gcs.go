package testservice

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// GCSSink stands in for Google Cloud Storage where bodies are too large for an
// emulator: it speaks the uploads of the JSON API, resumable and multipart,
// checks offsets, sizes and checksums as the service does, counts the bytes and
// forgets them. What is known of an object it tells by get, list, delete and
// rewrite, in any bucket. A download answers with bytes of Content.
type GCSSink struct {
	// URL is what to set as the endpoint.
	URL string
	// Content is what downloads are made of: the first bytes of it, as many as
	// the object has, whatever the object. It must hold what was uploaded, for
	// the answer carries the checksum of the upload. Nil refuses downloads. Set
	// it before the first.
	Content io.ReaderAt

	mu         sync.Mutex
	objects    map[string]GCSObject // by bucket/name
	sessions   map[string]*gcsUpload
	generation int64
}

// GCSObject is what a GCSSink remembers of an object.
type GCSObject struct {
	Bucket       string            `json:"bucket"`
	Name         string            `json:"name"`
	Size         int64             `json:"size,string"`
	CRC32C       string            `json:"crc32c"` // base64, big-endian
	Generation   int64             `json:"generation,string"`
	ContentType  string            `json:"contentType,omitempty"`
	CacheControl string            `json:"cacheControl,omitempty"`
	StorageClass string            `json:"storageClass,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	Updated      time.Time         `json:"updated"`
}

// StartGCSSink starts a stand-in on a port of 127.0.0.1 that ends with the
// test.
func StartGCSSink(tb testing.TB) *GCSSink {
	tb.Helper()
	s := &GCSSink{objects: map[string]GCSObject{}, sessions: map[string]*gcsUpload{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /upload/storage/v1/b/{bucket}/o", s.upload)
	mux.HandleFunc("PUT /upload/storage/v1/b/{bucket}/o", s.upload)
	mux.HandleFunc("GET /storage/v1/b/{bucket}/o", s.list)
	mux.HandleFunc("GET /storage/v1/b/{bucket}/o/{object...}", s.get)
	mux.HandleFunc("DELETE /storage/v1/b/{bucket}/o/{object...}", s.delete)
	mux.HandleFunc("POST /storage/v1/b/{bucket}/o/{object...}", s.rewrite)
	mux.HandleFunc("GET /{bucket}/{object...}", s.download)
	server := httptest.NewServer(mux)
	tb.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Object returns what is known of an object.
func (s *GCSSink) Object(bucket, name string) (GCSObject, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object, ok := s.objects[bucket+"/"+name]
	return object, ok
}

// Objects lists the names of all objects as bucket/name, in order.
func (s *GCSSink) Objects() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for name := range s.objects {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Unfinished counts the resumable uploads that were begun and not finished.
func (s *GCSSink) Unfinished() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, session := range s.sessions {
		if !session.done.Load() {
			n++
		}
	}
	return n
}

// put makes an object, with a generation of its own.
func (s *GCSSink) put(object GCSObject) GCSObject {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	object.Generation = s.generation
	object.Updated = time.Now().UTC()
	object.StorageClass = cmp.Or(object.StorageClass, "STANDARD")
	s.objects[object.Bucket+"/"+object.Name] = object
	return object
}

// upload begins a resumable upload, goes on with one, or takes a whole body.
func (s *GCSSink) upload(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch {
	case query.Has("upload_id"):
		s.mu.Lock()
		session := s.sessions[query.Get("upload_id")]
		s.mu.Unlock()
		if session == nil {
			gcsError(w, http.StatusNotFound, "no such upload")
			return
		}
		session.chunk(w, r)
	case query.Get("uploadType") == "resumable":
		s.begin(w, r)
	case query.Get("uploadType") == "multipart":
		s.whole(w, r)
	default:
		gcsError(w, http.StatusBadRequest, "unknown uploadType")
	}
}

// begin answers where the chunks of a resumable upload go.
func (s *GCSSink) begin(w http.ResponseWriter, r *http.Request) {
	object, err := gcsResource(r.Body, r)
	if err != nil {
		gcsError(w, http.StatusBadRequest, err.Error())
		return
	}
	object.ContentType = cmp.Or(object.ContentType, r.Header.Get("X-Upload-Content-Type"))
	s.mu.Lock()
	id := strconv.Itoa(len(s.sessions) + 1)
	s.sessions[id] = newGCSUpload(s, object)
	s.mu.Unlock()
	w.Header().Set("Location", s.URL+r.URL.EscapedPath()+"?uploadType=resumable&upload_id="+id)
}

// whole takes an object's description and its body in two parts of one
// request.
func (s *GCSSink) whole(w http.ResponseWriter, r *http.Request) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		gcsError(w, http.StatusBadRequest, err.Error())
		return
	}
	object, body, err := gcsParts(multipart.NewReader(r.Body, params["boundary"]), r)
	if err != nil {
		gcsError(w, http.StatusBadRequest, err.Error())
		return
	}
	declared := object.CRC32C
	session := newGCSUpload(s, object)
	if _, err := io.Copy(session, body); err != nil {
		gcsError(w, http.StatusBadRequest, err.Error())
		return
	}
	session.finish(w, declared)
}

// gcsParts reads the description and opens the body.
func gcsParts(parts *multipart.Reader, r *http.Request) (object GCSObject, body io.Reader, err error) {
	first, err := parts.NextPart()
	if err != nil {
		return object, nil, err
	}
	if object, err = gcsResource(first, r); err != nil {
		return object, nil, err
	}
	second, err := parts.NextPart()
	if err != nil {
		return object, nil, err
	}
	object.ContentType = cmp.Or(object.ContentType, second.Header.Get("Content-Type"))
	return object, second, nil
}

// gcsResource reads the JSON that describes a new object.
func gcsResource(body io.Reader, r *http.Request) (object GCSObject, err error) {
	if err := json.NewDecoder(body).Decode(&object); err != nil && err != io.EOF {
		return object, err
	}
	object.Bucket = r.PathValue("bucket")
	object.Name = cmp.Or(object.Name, r.URL.Query().Get("name"))
	if object.Name == "" {
		return object, fmt.Errorf("the object has no name")
	}
	return object, nil
}

func (s *GCSSink) get(w http.ResponseWriter, r *http.Request) {
	object, ok := s.Object(r.PathValue("bucket"), r.PathValue("object"))
	if generation := r.FormValue("generation"); !ok || generation != "" && generation != strconv.FormatInt(object.Generation, 10) {
		gcsError(w, http.StatusNotFound, "no such object")
		return
	}
	if r.FormValue("alt") == "media" {
		s.download(w, r)
		return
	}
	gcsJSON(w, object)
}

// list answers with all objects of a prefix on one page.
func (s *GCSSink) list(w http.ResponseWriter, r *http.Request) {
	var page struct {
		Items []GCSObject `json:"items"`
	}
	bucket := r.PathValue("bucket")
	for _, full := range s.Objects() {
		name, ok := strings.CutPrefix(full, bucket+"/")
		if ok && strings.HasPrefix(name, r.FormValue("prefix")) && name >= r.FormValue("startOffset") {
			object, _ := s.Object(bucket, name)
			page.Items = append(page.Items, object)
		}
	}
	gcsJSON(w, page)
}

func (s *GCSSink) delete(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.PathValue("bucket") + "/" + r.PathValue("object")
	if _, ok := s.objects[key]; !ok {
		gcsError(w, http.StatusNotFound, "no such object")
		return
	}
	delete(s.objects, key)
	w.WriteHeader(http.StatusNoContent)
}

// rewrite copies what is known of an object, in one step.
func (s *GCSSink) rewrite(w http.ResponseWriter, r *http.Request) {
	src, dst, _ := strings.Cut(r.PathValue("object"), "/rewriteTo/b/")
	bucket, name, ok := strings.Cut(dst, "/o/")
	source, found := s.Object(r.PathValue("bucket"), src)
	generation := r.FormValue("sourceGeneration")
	if !ok || !found || generation != "" && generation != strconv.FormatInt(source.Generation, 10) {
		gcsError(w, http.StatusNotFound, "no such object")
		return
	}
	target := source
	if err := json.NewDecoder(r.Body).Decode(&target); err != nil && err != io.EOF {
		gcsError(w, http.StatusBadRequest, err.Error())
		return
	}
	target.Bucket, target.Name, target.Size, target.CRC32C = bucket, name, source.Size, source.CRC32C
	target = s.put(target)
	gcsJSON(w, map[string]any{"done": true, "resource": target,
		"totalBytesRewritten": strconv.FormatInt(target.Size, 10), "objectSize": strconv.FormatInt(target.Size, 10)})
}

// download answers as the XML API does, ranges included.
func (s *GCSSink) download(w http.ResponseWriter, r *http.Request) {
	object, ok := s.Object(r.PathValue("bucket"), r.PathValue("object"))
	if !ok || s.Content == nil {
		gcsError(w, http.StatusNotFound, "no such object, or no content to answer with")
		return
	}
	h := w.Header()
	h.Set("X-Goog-Generation", strconv.FormatInt(object.Generation, 10))
	h.Set("X-Goog-Hash", "crc32c="+object.CRC32C)
	h.Set("Content-Type", object.ContentType)
	for key, value := range object.Metadata {
		h.Set("X-Goog-Meta-"+key, value)
	}
	http.ServeContent(w, r, "", object.Updated, io.NewSectionReader(s.Content, 0, object.Size))
}

func gcsJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}

func gcsError(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": message}})
}

// CRC32C writes a checksum as the service does.
func CRC32C(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}
