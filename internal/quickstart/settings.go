package quickstart

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/ezdfs/internal/quickstart/embedded"
	"example.com/ezdfs/settings"
)

// The prefixes that rules send elsewhere than to NFS.
const (
	imagesPrefix    = "var/site/storage/images"
	originalsPrefix = "var/site/storage/original"
)

// configure writes the settings that are missing. In those that are there it
// changes nothing but the addresses of the services.
func (s *site) configure(services *embedded.Services) error {
	old := s.state.Ports
	s.state.Ports = embedded.Addresses{S3: services.S3.Address, GCS: services.GCS.Address}
	for name, content := range settingsTree(services) {
		if err := s.configureFile("settings/override/"+name, content, old); err != nil {
			return err
		}
	}
	return s.save()
}

// configureFile writes one file of the settings, or mends its addresses.
func (s *site) configureFile(name, content string, old embedded.Addresses) error {
	file := s.path(name)
	present, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			return err
		}
		return replaceFile(file, []byte(content))
	}
	if err != nil {
		return err
	}
	mended := moveAddress(moveAddress(present, old.S3, s.state.Ports.S3), old.GCS, s.state.Ports.GCS)
	if bytes.Equal(mended, present) {
		return nil
	}
	return replaceFile(file, mended)
}

// moveAddress replaces one endpoint by another.
func moveAddress(content []byte, from, to string) []byte {
	if from == "" || from == to {
		return content
	}
	return bytes.ReplaceAll(content, []byte("http://"+from), []byte("http://"+to))
}

// settings loads the settings with an environment.
func (s *site) settings(getenv func(string) (string, bool)) (settings.Settings, error) {
	conf, err := settings.Load(settings.Options{Root: s.dir, Getenv: getenv})
	if err != nil {
		err = fmt.Errorf("the settings in %s: %w", s.path("settings"), err)
	}
	return conf, err
}

// settingsTree is the override directory of the site, in the style of the
// legacy's deployment guide: each file is a PHP comment, so that a web server
// that is asked for it answers with nothing.
func settingsTree(services *embedded.Services) map[string]string {
	return map[string]string{
		"file.ini.append.php": wrap(`
[ClusteringSettings]
FileHandler=eZDFSFileHandler

[eZDFSClusteringSettings]
# The NFS mount, relative to the site root
MountPointPath=` + mountDir + `
DFSBackend=eZDFSFileHandlerDFSDispatcher
# On a real cluster: DBBackend=eZDFSFileHandlerMySQLiBackend, DBHost, DBUser, ...
DBBackend=SQLite
DBName=` + databaseFile + `

[DispatchableDFS]
# What no rule matches goes to NFS; the first rule that matches wins
DefaultBackend=eZDFSFileHandlerDFSBackend
PathBackends[` + imagesPrefix + `]=eZDFSFileHandlerDFSAmazon
PathBackends[` + originalsPrefix + `]=gcs
`),
		"site.ini.append.php": wrap(`
[FileSettings]
VarDir=var/site
StorageDir=storage
CacheDir=cache
`),
		"dfsamazons3.ini.append.php": wrap(fmt.Sprintf(`
[BackendSettings]
Bucket=%s
Region=us-east-1
# The embedded service takes any key; a real one takes yours, or, with both
# empty, those of the environment
AccessKeyID=quickstart
SecretAccessKey=quickstart
Endpoint=%s
UsePathStyleEndpoint=enabled
`, embedded.Bucket, services.S3.URL())),
		"dfsgcs.ini.append.php": wrap(fmt.Sprintf(`
[BackendSettings]
Bucket=%s
# Without an endpoint the bucket is Google's, and CredentialsFile a key for it
Endpoint=%s
`, embedded.Bucket, services.GCS.URL())),
	}
}

func wrap(content string) string {
	return "<?php /* #?ini charset=\"utf-8\"?\n" + content + "\n*/ ?>\n"
}
