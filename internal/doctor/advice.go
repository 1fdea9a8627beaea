package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// kind is where the settings of a kind of service stand and which of them say
// what it is.
type kind struct {
	file, group string
	keys        []string
}

var kinds = map[string]kind{
	"database": {"file.ini", "eZDFSClusteringSettings", []string{"DBBackend", "DBHost", "DBPort", "DBSocket", "DBName", "DBUser", "DBPassword"}},
	"nfs":      {"file.ini", "eZDFSClusteringSettings", []string{"MountPointPath"}},
	"s3":       {"dfsamazons3.ini", "BackendSettings", []string{"Bucket", "Region", "Endpoint", "AccessKeyID", "SecretAccessKey"}},
	"gcs":      {"dfsgcs.ini", "BackendSettings", []string{"Bucket", "Endpoint", "CredentialsFile"}},
}

// Place says where the settings of a service stand: the file and group, and
// the line that set each of those that say what it is. The service is
// "database" or a backend's name.
func Place(s settings.Settings, service string) string {
	name, _, instance := strings.Cut(service, ":")
	k, ok := kinds[name]
	if !ok {
		return "the settings"
	}
	if instance {
		k.group = service
	}
	if engine, err := s.DFS.Engine(); name == "database" && err == nil && engine == settings.SQLite {
		k.keys = []string{"DBBackend", "DBName"}
	}
	var set []string
	for _, entry := range s.Entries() {
		if entry.File == k.file && entry.Group == k.group && entry.Origin != (settings.Origin{}) && slices.Contains(k.keys, entry.Key) {
			set = append(set, entry.Key+" ("+entry.Origin.String()+")")
		}
	}
	place := fmt.Sprintf("[%s] of %s", k.group, k.file)
	if len(set) == 0 {
		return place + ", which sets none of " + strings.Join(k.keys, ", ")
	}
	return place + ": " + strings.Join(set, ", ")
}

// Advise takes an error of opening a cluster apart, one for each service that
// cannot be used, and adds where its settings stand.
func Advise(s settings.Settings, err error) []error {
	var advised []error
	for _, err := range flatten(err) {
		if service := serviceOf(err); service != "" {
			err = fmt.Errorf("%w; see %s", err, Place(s, service))
		}
		advised = append(advised, err)
	}
	return advised
}

// serviceOf names the service that an error says is unavailable, or nothing.
func serviceOf(err error) string {
	var backend *backends.Error
	switch {
	case errors.As(err, &backend) && errors.Is(err, backends.ErrUnavailable):
		return backend.Backend
	case errors.Is(err, metadata.ErrUnavailable):
		return "database"
	}
	return ""
}

// flatten takes joined errors apart, but not one error with several causes.
func flatten(err error) []error {
	switch err.(type) {
	case *backends.Error, *backends.DeleteError, *metadata.Error:
		return []error{err}
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, err := range joined.Unwrap() {
		all = append(all, flatten(err)...)
	}
	return all
}
