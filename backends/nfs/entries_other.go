//go:build !linux

package nfs

import "io"

// openWalked opens a directory of the tree without following any link.
func (m *mount) openWalked(path string) (*dir, error) { return m.openUnlinked(path) }

// each calls visit for every entry of the directory; stat asks for more.
func (d *dir) each(_ []byte, visit func(name []byte, kind entryKind, stat func() (fileStat, error)) error) error {
	for {
		batch, err := d.file().ReadDir(1024)
		for _, entry := range batch {
			name := []byte(entry.Name())
			kind := entryFile
			if entry.IsDir() {
				kind = entryDir
			} else if !entry.Type().IsRegular() {
				continue
			}
			if err := visit(name, kind, func() (fileStat, error) { return d.statOld(name) }); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
