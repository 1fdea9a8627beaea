package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"example.com/ezdfs/changes"
)

// checkpoint is a file that holds how far a stream was dealt with. Its methods
// do nothing on a checkpoint without a name.
type checkpoint struct {
	name string

	latest chan changes.Position // at most one, not written yet
	failed chan error            // at most one, of the goroutine that writes
	ended  chan struct{}
}

// read returns what the file holds, "" where there is no file.
func (c *checkpoint) read() (changes.Position, error) {
	if c.name == "" {
		return "", nil
	}
	data, err := os.ReadFile(c.name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	p := changes.Position(strings.TrimSpace(string(data)))
	if p == "" {
		return "", usagef("the checkpoint %s is empty; remove it to begin anew", c.name)
	}
	return p, nil
}

// try makes sure that the file can be written, before anything is printed that
// it would have to keep.
func (c *checkpoint) try() error {
	if c.name == "" {
		return nil
	}
	f, err := c.temp()
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// temp creates a file beside the checkpoint.
func (c *checkpoint) temp() (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(c.name), filepath.Base(c.name)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("write the checkpoint %s: %w", c.name, err)
	}
	return f, nil
}

// write replaces the file at once and durably.
func (c *checkpoint) write(p changes.Position) error {
	if c.name == "" {
		return nil
	}
	f, err := c.temp()
	if err != nil {
		return err
	}
	_, err = f.WriteString(string(p) + "\n")
	err = errors.Join(err, f.Sync(), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), c.name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write the checkpoint %s: %w", c.name, err)
	}
	return nil
}

// start begins to write what save is given.
func (c *checkpoint) start() {
	c.latest, c.failed, c.ended = make(chan changes.Position, 1), make(chan error, 1), make(chan struct{})
	go func() {
		defer close(c.ended)
		for p := range c.latest {
			if err := c.write(p); err != nil {
				c.failed <- err
				return
			}
		}
	}()
}

// save has a position written soon, and returns what failed before. Of several
// that come while one is being written, the last is.
func (c *checkpoint) save(p changes.Position) error {
	select {
	case err := <-c.failed:
		return err
	case <-c.latest: // never written: p is later
	default:
	}
	c.latest <- p
	return nil
}

// stop returns when everything is written.
func (c *checkpoint) stop() error {
	close(c.latest)
	<-c.ended
	select {
	case err := <-c.failed:
		return err
	default:
		return nil
	}
}
