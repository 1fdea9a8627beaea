package settings

import (
	"io/fs"
	"strings"
)

// checkTrash looks at the directories into which purges and checks move bodies: what lies
// in one is hidden, so it must hold nothing else.
func (c *checker) checkTrash() {
	for name, nfs := range sorted(c.settings.NFS) {
		c.checkTrashOf(mountSection(name), nfs.Trash)
	}
	for _, s := range instances(&c.settings) {
		switch b := s.fields.Addr().Interface().(type) {
		case *S3:
			c.checkTrashOf(s, b.Trash)
		case *GCS:
			c.checkTrashOf(s, b.Trash)
		}
	}
}

func (c *checker) checkTrashOf(s section, trash string) {
	trash, varDir := strings.Trim(trash, "/"), strings.Trim(c.settings.Files.VarDir, "/")
	switch {
	case trash == "":
	case !fs.ValidPath(trash) || trash == "." || strings.ContainsRune(trash, 0):
		c.addInstance(SeverityError, s, "Trash", "is no directory of the store", "name one such as trash")
	case near(trash, varDir):
		c.addInstance(SeverityError, s, "Trash", "hides files of the site, which lie in "+varDir, "name a directory beside that, such as trash")
	default:
		for _, rule := range c.settings.Dispatch.PathBackends {
			if near(trash, strings.Trim(rule.Prefix, "/")) {
				c.addInstance(SeverityError, s, "Trash", "hides files of the rule for "+rule.Prefix, "name a directory beside that, such as trash")
			}
		}
	}
}

// near reports whether one of two paths is the other or lies in it.
func near(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}
