package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func load(t *testing.T, fileINI string, env map[string]string) settings.Settings {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file.ini"), []byte(fileINI), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(settings.Options{Dir: dir, Root: dir, Getenv: func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPlace(t *testing.T) {
	s := load(t, `[eZDFSClusteringSettings]
MountPointPath=mnt
DBUser=someone
[nfs:cold]
MountPointPath=cold
`, map[string]string{"DFS_DB_PASSWORD": "swordfish"})
	for service, want := range map[string][]string{
		"database": {"[eZDFSClusteringSettings] of file.ini: ", "DBUser (", "file.ini:3)", "DBPassword (environment DFS_DB_PASSWORD)"},
		"nfs":      {"[eZDFSClusteringSettings] of file.ini: MountPointPath (", "file.ini:2)"},
		"nfs:cold": {"[nfs:cold] of file.ini: MountPointPath (", "file.ini:5)"},
		"s3":       {"[BackendSettings] of dfsamazons3.ini, which sets none of Bucket, "},
		"gcs:a":    {"[gcs:a] of dfsgcs.ini, which sets none of Bucket, "},
		"tape":     {"the settings"},
	} {
		got := Place(s, service)
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q does not contain %q", service, got, part)
			}
		}
		if strings.Contains(got, "swordfish") {
			t.Errorf("%s: %q tells the password", service, got)
		}
	}
}

func TestPlaceSQLite(t *testing.T) {
	s := load(t, "[eZDFSClusteringSettings]\nDBBackend=SQLite\nDBName=a.db\nDBUser=someone\n", nil)
	if got := Place(s, "database"); !strings.Contains(got, "DBName") || strings.Contains(got, "DBUser") {
		t.Errorf("%q: SQLite knows a file and no user", got)
	}
}

func TestAdvise(t *testing.T) {
	database := &metadata.Error{Op: "open", Kind: metadata.ErrUnavailable, Err: errors.New("refused")}
	bucket := &backends.Error{Backend: "s3:media", Op: "ping", Kind: backends.ErrUnavailable}
	other := errors.New("anything else")
	got := Advise(settings.Defaults(), errors.Join(database, errors.Join(bucket, other)))
	if len(got) != 3 {
		t.Fatalf("%d errors, want 3: %v", len(got), got)
	}
	for i, want := range []struct {
		err  error
		text string
	}{
		{database, "; see [eZDFSClusteringSettings] of file.ini"},
		{bucket, "; see [s3:media] of dfsamazons3.ini"},
		{other, "anything else"},
	} {
		if !errors.Is(got[i], want.err) || !strings.Contains(got[i].Error(), want.text) {
			t.Errorf("error %d is %v, want %v with %q", i, got[i], want.err, want.text)
		}
	}
}

func ExampleAdvise() {
	down := &backends.Error{Backend: "nfs", Op: "open", Kind: backends.ErrUnavailable}
	for _, err := range Advise(settings.Defaults(), down) {
		fmt.Println(err)
	}
	// Output: nfs: open: store unavailable; see [eZDFSClusteringSettings] of file.ini, which sets none of MountPointPath
}
