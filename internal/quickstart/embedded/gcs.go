package embedded

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// gcsService is the name of GCS's objects in the file.
const gcsService = "gcs"

// gcsBucket is the emulator with its objects in memory, which it takes from the file
// when it starts; every change is in the file before it is acknowledged. Its
// own storage on disk is not used: it joins object names to file names without
// looking for "..", so that anybody who reaches the port could write anywhere.
type gcsBucket struct {
	emulator *fakestorage.Server
	objects  *objects
	saving   sync.Mutex // the last to save an object saves its last state
}

// newGCS starts the emulator for a service at address, host and port.
func newGCS(store *objects, address string) (*gcsBucket, error) {
	kept, err := loadGCS(store)
	if err != nil {
		return nil, err
	}
	emulator, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		InitialObjects: kept,
		NoListener:     true, // the caller listens
		Scheme:         "http",
		PublicHost:     address, // else the XML API does not answer
		ExternalURL:    "http://" + address,
	})
	if err != nil {
		return nil, err
	}
	emulator.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: Bucket})
	return &gcsBucket{emulator: emulator, objects: store}, nil
}

// loadGCS reads all objects of the file.
func loadGCS(store *objects) ([]fakestorage.Object, error) {
	var names []string
	for obj, err := range store.list(gcsService, "") {
		if err != nil {
			return nil, err
		}
		names = append(names, obj.name)
	}
	kept := make([]fakestorage.Object, 0, len(names))
	for _, name := range names {
		obj, err := store.get(gcsService, name)
		if err != nil {
			return nil, err
		}
		o := fakestorage.Object{Content: obj.body}
		if err := json.Unmarshal(obj.meta, &o.ObjectAttrs); err != nil {
			return nil, fmt.Errorf("object %q: %w", name, err)
		}
		kept = append(kept, o)
	}
	return kept, nil
}

// ServeHTTP hands the request to the emulator. The answer to one that may
// change something waits until the change is in the file.
func (g *gcsBucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		g.emulator.HTTPHandler().ServeHTTP(w, r)
		return
	}
	path := r.URL.Path
	answer := &answer{header: http.Header{}, status: http.StatusOK}
	g.emulator.HTTPHandler().ServeHTTP(answer, r)
	if answer.status < 300 {
		if err := g.save(changed(r.Method, path, answer.body.Bytes())); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	answer.send(w)
}

// changed tells which object a request changed: the one that its answer
// describes, or the one that was deleted. "" is none.
func changed(method, path string, body []byte) string {
	if method == http.MethodDelete {
		_, name, _ := strings.Cut(path, "/b/"+Bucket+"/o/")
		return name
	}
	type described struct{ Bucket, Name, Kind string }
	var answer struct {
		described
		Resource described // of a copy
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	for _, d := range []described{answer.described, answer.Resource} {
		if d.Kind == "storage#object" && d.Bucket == Bucket {
			return d.Name
		}
	}
	return ""
}

// save brings what the file has of an object up to what the emulator has.
func (g *gcsBucket) save(name string) error {
	if name == "" {
		return nil
	}
	g.saving.Lock()
	defer g.saving.Unlock()
	obj, err := g.emulator.GetObject(Bucket, name)
	if err != nil { // there is no other reason than that it is not there
		return g.objects.delete(gcsService, name)
	}
	meta, err := json.Marshal(obj.ObjectAttrs)
	if err != nil {
		return err
	}
	hash, err := base64.StdEncoding.DecodeString(obj.Md5Hash)
	if err != nil {
		return err
	}
	return g.objects.put(gcsService, object{name: name, meta: meta, modified: obj.Updated.Unix(), hash: hash, body: obj.Content})
}

// answer is an answer that is held back.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *answer) send(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	w.Write(a.body.Bytes())
}
