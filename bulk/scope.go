package bulk

import (
	"strings"

	"example.com/ezdfs/metadata"
)

// ScopeOf tells the scope of a file from its path, "" where that tells nothing.
// Of storage files it does as the legacy's clusterize: images, media (audio and
// video among the originals) and other binary files. Cache files it knows by where
// PHP puts which; the trunk of a row depends on their scope.
func ScopeOf(layout metadata.Layout, path string) string {
	dir, scopes := "/"+layout.StorageDir+"/", storageScopes
	if layout.Cache(path) {
		dir, scopes = layout.CacheDir+"/", cacheScopes
	}
	_, rest, _ := strings.Cut(path, dir)
	for _, kind := range scopes {
		if strings.HasPrefix(rest, kind.begins) {
			return kind.scope
		}
	}
	return ""
}

// scopeOf is a scope by how paths go on inside a directory.
type scopeOf struct{ begins, scope string }

var storageScopes = []scopeOf{
	{"images", "image"},
	{"original/video/", "mediafile"},
	{"original/audio/", "mediafile"},
	{"original/", "binaryfile"},
}

var cacheScopes = []scopeOf{
	{"content/", "viewcache"},
	{"template-block/", "template-block"},
	{"user-info/", "user-info-cache"},
	{"wildcard/", "wildcard-cache-index"},
	{"classattributeidentifiers_", "classattridentifiers"},
	{"classidentifiers_", "classidentifiers"},
	{"statelimitations_", "statelimitations"},
	{"expiry.php", "expirycache"},
}
