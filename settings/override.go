package settings

import (
	"maps"
	"path/filepath"
	"reflect"
)

// Override sets one setting of a group that every site has, no array, to what
// an INI file would say there, and tells origin as its place: for sources
// beside the INI files. What a variable of the environment set stays as it is,
// for those come before every file. Copies of s made before do not change.
// Errors are [*ValueError].
func (s *Settings) Override(file, group, key, value string, origin Origin) error {
	for _, section := range fixed(s) {
		for f := range section.all() {
			if f.id() == (settingID{file, group, key}) && !f.isArray() {
				return s.override(f, value, origin)
			}
		}
	}
	return &ValueError{Origin: origin, Group: group, Key: key, Reason: "is no single setting of " + file}
}

func (s *Settings) override(f field, raw string, origin Origin) error {
	if s.origins[f.id()].File == environment {
		return nil
	}
	value, err := f.parse(raw)
	if err == nil && f.key() == "DBBackend" {
		_, err = ParseEngine(raw)
	}
	if err != nil {
		return &ValueError{Origin: origin, Group: f.group, Key: f.key(), Reason: err.Error()}
	}
	if path, ok := value.(string); ok && f.tag.Get("path") != "" && path != "" && !filepath.IsAbs(path) {
		value = filepath.Join(s.Root, path)
	}
	f.value.Set(reflect.ValueOf(value))
	s.origins = maps.Clone(s.origins)
	if s.origins == nil {
		s.origins = map[settingID]Origin{}
	}
	s.origins[f.id()] = origin
	if f.key() == "MountPointPath" {
		s.moveDefaultMount()
	}
	return nil
}

// moveDefaultMount gives the NFS tree "nfs" the mount of the cluster.
func (s *Settings) moveDefaultMount() {
	nfs, ok := s.NFS["nfs"]
	if !ok {
		nfs = NFS{Name: "nfs", FileMode: s.Files.FileMode, DirMode: s.Files.DirMode}
	}
	nfs.MountPointPath = s.DFS.MountPointPath
	s.NFS = maps.Clone(s.NFS)
	if s.NFS == nil {
		s.NFS = map[string]NFS{}
	}
	s.NFS["nfs"] = nfs
}

// OriginOf returns where a setting of a group that every site has was set.
func (s *Settings) OriginOf(file, group, key string) Origin { return s.originOf(file, group, key) }
