package settings

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func TestOverride(t *testing.T) {
	opts := optionsFor(t, map[string]string{"file.ini": "[eZDFSClusteringSettings]\nMountPointPath=/old\nDBName=ini\n"})
	before, err := Load(opts)
	if err != nil {
		t.Fatal(err)
	}
	s := before
	from := Origin{File: "config.php", Line: 7}
	for _, set := range [][3]string{
		{"eZDFSClusteringSettings", "MountPointPath", "mnt/new"}, {"eZDFSClusteringSettings", "DBPort", "3307"},
		{"Gateway", "ExpiryTimeout", "60"}, {"Gateway", "HTTPRange", "disabled"}, {"Gateway", "XPoweredBy", ""},
	} {
		if err := s.Override("file.ini", set[0], set[1], set[2], from); err != nil {
			t.Errorf("%v: %v", set, err)
		}
		if got := s.OriginOf("file.ini", set[0], set[1]); got != from {
			t.Errorf("%v comes from %s", set, got)
		}
	}
	mount := filepath.Join(opts.Root, "mnt/new")
	if s.DFS.MountPointPath != mount || s.NFS["nfs"].MountPointPath != mount || s.NFS["nfs"].FileMode != 0o666 ||
		s.DFS.DBPort != 3307 || s.Gateway.ExpiryTimeout != time.Minute || s.Gateway.HTTPRange || s.Gateway.PoweredBy != "" || s.DFS.DBName != "ini" {
		t.Errorf("%+v", s)
	}
	if before.NFS["nfs"].MountPointPath != "/old" || before.OriginOf("file.ini", "Gateway", "XPoweredBy") != (Origin{}) {
		t.Error("the copy made before has changed")
	}
}

func TestOverrideLeavesTheEnvironment(t *testing.T) {
	opts := optionsFor(t, map[string]string{"file.ini": ""})
	opts.Getenv = func(name string) (string, bool) { return "of the environment", name == "DFS_DB_HOST" }
	s, err := Load(opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"DBHost", "DBSocket"} { // the host of the environment means that no socket is used
		if err := s.Override("file.ini", dfsGroup, key, "/of/a/file", Origin{File: "x"}); err != nil {
			t.Error(err)
		}
	}
	if s.DFS.DBHost != "of the environment" || s.DFS.DBSocket != "" {
		t.Errorf("%q, %q", s.DFS.DBHost, s.DFS.DBSocket)
	}
}

func TestOverrideRefuses(t *testing.T) {
	for _, set := range [][3]string{
		{dfsGroup, "DBPort", "70000"}, {dfsGroup, "DBBackend", "Oracle"}, {dfsGroup, "NoSuch", "1"},
		{dispatchGroup, "PathBackends", "x"}, {"Gateway", "PublicPrefixes", "x"}, {"Gateway", "HTTPCache", "perhaps"},
	} {
		s := Settings{}
		var wrong *ValueError
		err := s.Override("file.ini", set[0], set[1], set[2], Origin{File: "x", Line: 3})
		if !errors.As(err, &wrong) || wrong.Origin.Line != 3 || wrong.Key != set[1] || wrong.Group != set[0] {
			t.Errorf("%v: %v", set, err)
		}
	}
	zero := Settings{}
	if err := zero.Override("file.ini", dfsGroup, "MountPointPath", "/m", Origin{}); err != nil || zero.NFS["nfs"].MountPointPath != "/m" {
		t.Errorf("of nothing: %+v, %v", zero.NFS, err)
	}
}
