package quickstart

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"example.com/ezdfs/internal/quickstart/embedded"
)

// What lies in the directory of a quickstart.
const (
	stateFile    = "quickstart.json"
	objectsFile  = "objects.sqlite"
	databaseFile = "cluster.sqlite"
	mountDir     = "nfs"
)

// site is the directory of a quickstart.
type site struct {
	dir   string // absolute
	state state
}

// state is what a quickstart remembers. The file that it is kept in also tells
// a quickstart from any other directory.
type state struct {
	Format int                `json:"ezdfs_quickstart"`
	Ports  embedded.Addresses `json:"ports"`
	// Files are the sample files, once all of them were stored and verified.
	Files []stored `json:"files,omitempty"`
}

// stored is a sample file as it was stored.
type stored struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	MTime  int64  `json:"mtime"`
	SHA256 string `json:"sha256"`
}

// stateFormat is the format of the state and of the directory.
const stateFormat = 1

// openSite opens the directory of an earlier quickstart, or begins one in a
// directory that is empty or missing.
func openSite(dir string) (*site, error) {
	dir, err := filepath.Abs(cmp.Or(dir, DefaultDir))
	if err != nil {
		return nil, err
	}
	s := &site{dir: dir, state: state{Format: stateFormat}}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(dir, 0o777)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		err = fmt.Errorf("%s %w", dir, ErrForeignDir)
	}
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		err = s.load()
	} else {
		err = s.save()
	}
	if err != nil {
		return nil, err
	}
	return s, os.MkdirAll(s.path(mountDir), 0o777)
}

// path is where something of the site lies.
func (s *site) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *site) load() error {
	data, err := os.ReadFile(s.path(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s %w", s.dir, ErrForeignDir)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &s.state); err != nil || s.state.Format != stateFormat {
		return fmt.Errorf("%s %w (%s says so)", s.dir, ErrForeignDir, stateFile)
	}
	return nil
}

// save keeps the state: the whole new one or the old one.
func (s *site) save() error {
	data, err := json.MarshalIndent(s.state, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(s.path(stateFile), append(data, '\n'))
}

// replaceFile writes a file so that nobody sees a part of it.
func replaceFile(name string, data []byte) error {
	temp := name + ".new"
	if err := os.WriteFile(temp, data, 0o666); err != nil {
		return err
	}
	return os.Rename(temp, name)
}
