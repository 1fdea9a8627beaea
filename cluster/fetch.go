package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Fetch copies a live file to the same path under the site root and returns
// where it lies. The local file appears complete or not at all, with the
// row's modification time.
func (c *Cluster) Fetch(ctx context.Context, path string, options ...ReadOption) (string, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return "", err
	}
	local := filepath.Join(c.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(local), 0o777); err != nil {
		return "", err
	}
	_, err = c.FetchTo(ctx, name, local, options...)
	return local, err
}

// FetchUnique is Fetch under a name of its own beside path, for a caller that
// wants a file nobody else touches. The caller removes it.
func (c *Cluster) FetchUnique(ctx context.Context, path string) (string, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return "", err
	}
	local := filepath.Join(c.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(local), 0o777); err != nil {
		return "", err
	}
	unique, err := createUnique(filepath.Dir(local), "unique-", filepath.Ext(local))
	if err != nil {
		return "", err
	}
	unique.Close()
	if _, err := c.FetchTo(ctx, name, unique.Name()); err != nil {
		os.Remove(unique.Name())
		return "", err
	}
	return unique.Name(), nil
}

// FetchTo copies a live file to a local one, whose directory must exist. A
// body that ends early or changes while it is read is read again, up to
// MaxCopyRetries times. On any error an existing local file is untouched.
func (c *Cluster) FetchTo(ctx context.Context, path, local string, options ...ReadOption) (metadata.Row, error) {
	temp, err := createUnique(filepath.Dir(local), backends.StagedPrefix, "")
	if err != nil {
		return metadata.Row{}, err
	}
	defer os.Remove(temp.Name()) // fails once it is renamed
	defer temp.Close()
	row, err := c.copyOut(ctx, path, temp, options)
	if err != nil {
		return row, err
	}
	err = errors.Join(
		temp.Close(),
		os.Chtimes(temp.Name(), row.ModTime(), row.ModTime()),
	)
	if err != nil {
		return row, err
	}
	return row, os.Rename(temp.Name(), local)
}

// copyOut fills the empty file f with a body, starting over when the body
// breaks off or is replaced on the way.
func (c *Cluster) copyOut(ctx context.Context, path string, f *os.File, options []ReadOption) (metadata.Row, error) {
	for attempt := 1; ; attempt++ {
		row, err := c.copyOnce(ctx, path, f, options)
		again := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, backends.ErrChanged) ||
			backends.IsRetryable(err) && !isWaited(err)
		if err == nil || !again || attempt >= c.retries {
			return row, err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return row, err
		}
		if err := errors.Join(f.Truncate(0), sleep(ctx, retryPause)); err != nil {
			return row, err
		}
	}
}

func (c *Cluster) copyOnce(ctx context.Context, path string, w io.Writer, options []ReadOption) (metadata.Row, error) {
	f, err := c.Open(ctx, path, options...)
	if err != nil {
		return metadata.Row{}, err
	}
	defer f.Close()
	n, err := io.Copy(w, f)
	if want := newReading(options).of(f.Row.Size); err == nil && n != want {
		err = fmt.Errorf("%q: %w: %d of %d bytes", f.Row.Name, io.ErrUnexpectedEOF, n, want)
	}
	return f.Row, err
}

// createUnique creates a file of its own in dir, with the mode that the umask
// leaves: os.CreateTemp's is for the owner alone, but the web server reads
// these.
func createUnique(dir, prefix, ext string) (*os.File, error) {
	for {
		name := filepath.Join(dir, prefix+rand.Text()+ext)
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}
