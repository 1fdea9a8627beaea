package quickstart

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"example.com/ezdfs/internal/quickstart/embedded"
)

// Report is what a run did; its JSON is what `dfsctl quickstart --json` writes.
type Report struct {
	Dir     string `json:"dir"`
	S3      string `json:"s3"`  // endpoint
	GCS     string `json:"gcs"` // endpoint
	Serving bool   `json:"serving"`
	// Files are the sample files that are as they were stored.
	Files    []File `json:"files"`
	Verified int    `json:"verified"` // of Files
	Total    int    `json:"total"`
	// Changed are sample files that were changed or removed since.
	Changed []string `json:"changed,omitempty"`
	// Notes are what the reader should know.
	Notes []string `json:"notes,omitempty"`
	// Next are commands to try in another terminal, while the services run.
	Next []Step `json:"next"`
}

// File is a sample file and where it went.
type File struct {
	Path     string  `json:"path"`
	Backend  string  `json:"backend"`
	Rule     *string `json:"rule"` // its prefix, null for the default
	Size     int64   `json:"size"` // bytes
	DataType string  `json:"datatype"`
	Scope    string  `json:"scope"`
	Verified bool    `json:"verified"`
	Error    string  `json:"error,omitempty"` // why not
}

// err says that files did not read back as stored.
func (r *Report) err() error {
	if r.Verified == r.Total {
		return nil
	}
	i := slices.IndexFunc(r.Files, func(f File) bool { return !f.Verified })
	return fmt.Errorf("%d of %d files did not read back as they were stored; the first is %q on %s: %s (remove %s to start over)",
		r.Total-r.Verified, r.Total, r.Files[i].Path, r.Files[i].Backend, r.Files[i].Error, r.Dir)
}

// describe adds where everything is and what to do with it.
func (r *Report) describe(s *site, services *embedded.Services, o Options) {
	r.Dir, r.S3, r.GCS, r.Serving = s.dir, services.S3.URL(), services.GCS.URL(), o.Serve
	for _, service := range []*embedded.Service{services.S3, services.GCS} {
		if service.Taken != "" {
			r.Notes = append(r.Notes, fmt.Sprintf("another program listens on %s; the settings now say %s", service.Taken, service.Address))
		}
	}
	if names := s.overriding(o.Getenv); len(names) > 0 {
		r.Notes = append(r.Notes, "variables of your environment override the settings; unset them for the commands below: "+
			strings.Join(names, " "))
	}
	if n := len(r.Changed); n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("sample files changed or removed since they were stored: %d; while the services run, `dfsctl clusterize var` in %s stores them again", n, s.dir))
	}
	r.Next = nextSteps(s.dir, o)
}

// overriding lists the variables of an environment that override settings of
// the site. What else is wrong with them the commands themselves will say.
func (s *site) overriding(getenv func(string) (string, bool)) []string {
	conf, _ := s.settings(getenv)
	var names []string
	for _, entry := range conf.Entries() {
		if entry.Origin.Name != "" {
			names = append(names, entry.Origin.Name)
		}
	}
	return names
}

func (r *Report) write(o Options) error {
	if o.JSON {
		encoder := json.NewEncoder(o.Stdout)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	var b strings.Builder
	r.text(&b)
	_, err := io.WriteString(o.Stdout, b.String())
	return err
}

// text is the report for people.
func (r *Report) text(b *strings.Builder) {
	fmt.Fprintf(b, "Cluster in %s\n", r.Dir)
	fmt.Fprintf(b, "  rows %s (SQLite), NFS in %s/, settings in settings/override/\n  S3 on %s, GCS on %s\n\n", databaseFile, mountDir, r.S3, r.GCS)
	r.placed(b)
	fmt.Fprintf(b, "verified %d of %d: %s", r.Verified, r.Total, r.perBackend())
	if r.err() == nil {
		b.WriteString(", each read back byte for byte")
	}
	b.WriteString("\n")
	for _, note := range r.Notes {
		fmt.Fprintf(b, "note: %s\n", note)
	}
	if r.err() != nil {
		return
	}
	b.WriteString("\nTry next, in another terminal")
	if !r.Serving {
		b.WriteString(", once the first command has brought the services back up")
	}
	b.WriteString(":\n\n")
	for _, step := range r.Next {
		fmt.Fprintf(b, "  # %s\n  %s\n", step.About, step.Command)
	}
	if r.Serving {
		b.WriteString("\nServing until Ctrl-C.\n")
	}
}

// place is where files went and why.
type place struct{ backend, why string }

func placeOf(f File) place {
	if f.Rule == nil {
		return place{f.Backend, "where no rule matches"}
	}
	return place{f.Backend, "by the rule for " + *f.Rule}
}

// placed lists the files by where they went, in a width of 120 columns.
func (r *Report) placed(b *strings.Builder) {
	var places []place
	files := map[place][]File{}
	for _, file := range r.Files {
		p := placeOf(file)
		if files[p] == nil {
			places = append(places, p)
		}
		files[p] = append(files[p], file)
	}
	for _, p := range places {
		fmt.Fprintf(b, "%s, %s:\n", p.backend, p.why)
		for _, file := range files[p] {
			fmt.Fprintf(b, "%8d  %-24s  %s\n", file.Size, file.DataType, file.Path)
			if !file.Verified {
				fmt.Fprintf(b, "          FAILED: %s\n", file.Error)
			}
		}
		b.WriteString("\n")
	}
}

// perBackend counts the files: "3 on gcs, 24 on s3".
func (r *Report) perBackend() string {
	count := map[string]int{}
	for _, file := range r.Files {
		count[file.Backend]++
	}
	var parts []string
	for _, name := range []string{"nfs", "s3", "gcs"} {
		if count[name] > 0 {
			parts = append(parts, fmt.Sprintf("%d on %s", count[name], name))
		}
	}
	return strings.Join(parts, ", ")
}
