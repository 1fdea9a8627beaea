package settings

import (
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// checkMounts looks at the NFS trees.
func (c *checker) checkMounts() {
	for name, nfs := range sorted(c.settings.NFS) {
		if problem, fix := c.checkMount(nfs.MountPointPath); problem != "" {
			c.addInstance(c.severityOf(name), mountSection(name), "MountPointPath", problem, fix)
		}
	}
}

// mountSection is where the mount of an NFS tree is set.
func mountSection(name string) section {
	if name == "nfs" {
		return section{file: "file.ini", group: dfsGroup, instance: name}
	}
	return section{file: "file.ini", group: name, instance: name}
}

// checkMount says what is wrong with a mount and what to do, "" for nothing.
func (c *checker) checkMount(mount string) (problem, fix string) {
	if mount == "" {
		return "is not set", "name the root of the NFS tree"
	}
	if same(mount, c.settings.Root) {
		return "is the site root itself: the store and PHP's local copies would be the same files", "use a directory of its own"
	}
	answer := make(chan error, 1)
	go func() { answer <- probeMount(mount) }() // a dead server holds the call, not us
	return c.awaitMount(mount, answer)
}

func (c *checker) awaitMount(mount string, answer <-chan error) (problem, fix string) {
	select {
	case err := <-answer:
		if err != nil {
			return err.Error(), "mount the share, or correct the path and its permissions"
		}
		return "", ""
	case <-c.ctx.Done():
		return mount + " does not answer", "see whether its server is up"
	}
}

// probeMount says why a directory cannot be the root of a store.
func probeMount(mount string) error {
	info, err := os.Stat(mount)
	switch {
	case err != nil:
		return fmt.Errorf("the mount is absent: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", mount)
	}
	if err := unix.Access(mount, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s is not writable: %w", mount, err)
	}
	return nil
}

// checkBuckets looks at the S3 and GCS instances.
func (c *checker) checkBuckets() {
	for _, s := range instances(&c.settings) {
		switch b := s.fields.Addr().Interface().(type) {
		case *S3:
			c.checkBucket(s, b.Bucket, b.Endpoint, b.PublicURL)
			c.checkKeyPair(s, b.AccessKeyID != "", b.SecretAccessKey != "")
		case *GCS:
			c.checkBucket(s, b.Bucket, b.Endpoint, b.PublicURL)
			c.checkCredentials(s, b.CredentialsFile)
		}
	}
}

func (c *checker) checkBucket(s section, bucket, endpoint, publicURL string) {
	if bucket == "" {
		c.addInstance(c.severityOf(s.instance), s, "Bucket", s.instance+" has no bucket", "name it in ["+s.group+"] of "+s.file)
	}
	c.checkURL(s, "Endpoint", endpoint)
	c.checkURL(s, "PublicURL", publicURL)
}

func (c *checker) checkKeyPair(s section, id, secret bool) {
	switch {
	case id && !secret:
		c.addInstance(SeverityError, s, "SecretAccessKey", "is empty, but AccessKeyID is set",
			"set both, or neither for the default credential chain")
	case secret && !id:
		c.addInstance(SeverityError, s, "AccessKeyID", "is empty, but SecretAccessKey is set",
			"set both, or neither for the default credential chain")
	}
}

func (c *checker) checkCredentials(s section, file string) {
	if file == "" {
		return
	}
	f, err := os.Open(file)
	if err != nil {
		c.addInstance(SeverityError, s, "CredentialsFile", err.Error(), "correct the path or the file's permissions")
		return
	}
	f.Close()
}

// place is where an instance keeps its bodies, comparable among those of one
// service.
type place struct {
	section section
	service string // what must be equal for the roots to be comparable
	root    string
	key     string // the setting that gives root
}

// checkSharedStores looks for two instances with the same bodies: moving a
// path from one to the other would delete its only copy.
func (c *checker) checkSharedStores() {
	places := places(&c.settings)
	for i, b := range places {
		for _, a := range places[:i] {
			switch {
			case a.service != b.service:
			case a.root == b.root:
				c.addInstance(SeverityError, b.section, b.key, fmt.Sprintf(
					"%s and %s keep their files in the same place: moving one between them would delete it",
					a.section.instance, b.section.instance), "use one instance for both")
			case strings.HasPrefix(b.root, a.root), strings.HasPrefix(a.root, b.root):
				c.addInstance(SeverityWarning, b.section, b.key, fmt.Sprintf(
					"%s and %s lie one inside the other: each sees files of the other as its own",
					a.section.instance, b.section.instance), "give them separate roots")
			}
		}
	}
}

// places lists where the instances keep their files.
func places(settings *Settings) []place {
	var list []place
	for name, b := range sorted(settings.NFS) {
		if b.MountPointPath != "" {
			list = append(list, place{mountSection(name), "nfs", slashed(b.MountPointPath), "MountPointPath"})
		}
	}
	for _, s := range instances(settings) {
		switch b := s.fields.Addr().Interface().(type) {
		case *S3:
			list = append(list, place{s, "s3 " + b.Endpoint + " " + b.Bucket, b.Prefix, "Prefix"})
		case *GCS:
			list = append(list, place{s, "gcs " + b.Endpoint + " " + b.Bucket, b.Prefix, "Prefix"})
		}
	}
	return slices.DeleteFunc(list, func(p place) bool { return strings.HasSuffix(p.service, " ") }) // no bucket
}

// InTheWay returns a store of the cluster that keeps its files where a store
// does, or inside it, or around it; "" where there is none. Whoever deletes
// files in such a store deletes those of the cluster.
func (s Settings) InTheWay(store string) string {
	routed := s.routed()
	if routed[store] {
		return store
	}
	all := places(&s)
	for _, p := range all {
		for _, other := range all {
			near := strings.HasPrefix(p.root, other.root) || strings.HasPrefix(other.root, p.root) ||
				p.service == "nfs" && same(p.root, other.root)
			if p.section.instance == store && routed[other.section.instance] && p.service == other.service && near {
				return other.section.instance
			}
		}
	}
	return ""
}

func slashed(dir string) string { return strings.TrimSuffix(filepath.Clean(dir), "/") + "/" }

// same reports whether two paths are the same directory.
func same(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// sorted ranges over the instances of a kind by name.
func sorted[V any](byName map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			if !yield(name, byName[name]) {
				return
			}
		}
	}
}
