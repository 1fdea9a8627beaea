package settings

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxSecret bounds what is read of a file that holds a secret.
const maxSecret = 64 << 10

// secretFile returns the file that a secret of a section is read from, false
// where none is named.
func (s section) secretFile(key string) (string, bool) {
	for f := range s.all() {
		if name, ok := f.value.Interface().(string); ok && f.key() == key+"File" {
			return name, name != ""
		}
	}
	return "", false
}

// readSecrets reads the secrets of a section that stand in files. One that is
// set itself comes first. A file that cannot be read is no error of the
// settings: who does not need the secret need not be able to.
func (l *loader) readSecrets(s section) {
	for f := range s.all() {
		secret, ok := f.value.Addr().Interface().(*Secret)
		if !ok || *secret != "" {
			continue
		}
		name, ok := s.secretFile(f.key())
		if !ok {
			continue
		}
		text, err := readSecret(name)
		if err != nil {
			origin := l.settings.origins[settingID{s.file, s.group, f.key() + "File"}]
			l.settings.unread = append(l.settings.unread, &ValueError{Origin: origin, Group: s.group, Key: f.key() + "File", Reason: err.Error()})
			continue
		}
		*secret = Secret(text)
		l.settings.origins[f.id()] = Origin{File: name}
	}
}

// readSecret reads a file, without the newline at its end. Its errors quote
// nothing of it.
func readSecret(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		var path *fs.PathError
		errors.As(err, &path)
		return "", fmt.Errorf("%s cannot be read: %w", name, path.Err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	text := strings.TrimRight(string(data), "\r\n")
	switch {
	case err != nil:
		return "", fmt.Errorf("%s cannot be read", name)
	case len(data) > maxSecret || strings.ContainsAny(text, "\r\n\x00"):
		return "", fmt.Errorf("%s is no file with a secret alone, on one line", name)
	case text == "":
		return "", fmt.Errorf("%s is empty", name)
	}
	return text, nil
}

// TargetError says why a target, "fastly:main", cannot have the secrets that
// its settings name files of; nil where it has them.
func (s Settings) TargetError(name string) error {
	var errs []error
	for _, e := range s.unread {
		if e.Group == name {
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}

// checkSecretFiles looks at the files that secrets are read from.
func (c *checker) checkSecretFiles() {
	for _, e := range c.settings.unread {
		c.problems = append(c.problems, Problem{SeverityError, e.Origin, e.Group, e.Key, e.Reason,
			"make it readable for the user that runs dfsctl"})
	}
	for _, s := range instances(&c.settings) {
		for f := range s.all() {
			if _, ok := f.value.Interface().(Secret); ok {
				c.checkSecretFile(s, f)
			}
			if f.key() == "CredentialsFile" {
				c.checkPrivate(s, f.key(), f.value.String())
			}
		}
	}
}

func (c *checker) checkSecretFile(s section, f field) {
	name, ok := s.secretFile(f.key())
	if !ok {
		return
	}
	key := f.key() + "File"
	from := c.settings.origins[f.id()]
	if from.File == environment {
		return // it is there to override
	}
	if from.File != name && from != (Origin{}) {
		c.addInstance(SeverityWarning, s, key, "is not read: "+f.key()+" is set, in "+from.String(), "remove one of them")
		return
	}
	c.checkPrivate(s, key, name)
}

// checkPrivate warns of a file with a secret that everybody can read.
func (c *checker) checkPrivate(s section, key, name string) {
	if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o004 != 0 {
		c.addInstance(SeverityWarning, s, key, name+" can be read by every user of this host", "chmod o= "+name)
	}
}
