package cluster

import (
	"context"
	"io"
	"os"

	"example.com/ezdfs/metadata"
)

// Item is a local file to be stored, or contents from elsewhere.
type Item struct {
	Path string // of the row
	File string // local
	// Open, when set, gives the contents in the place of a local file. It is
	// called again where storing them is tried again. Options.Size says how
	// long they are, and ModTime how old.
	Open    func(context.Context) (io.ReadCloser, error)
	Options StoreOptions
}

// size is the length of the contents as far as is known. Those that cannot be
// had are stored alone, which tells why.
func (i Item) size() (int64, error) {
	if i.Open != nil {
		return i.Options.Size, nil
	}
	info, err := os.Stat(i.File)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// open opens the contents, and completes the options by what is known of them.
func (i Item) open(ctx context.Context) (io.ReadCloser, StoreOptions, error) {
	if i.Open != nil {
		body, err := i.Open(ctx)
		return body, i.Options, err
	}
	f, info, err := openRegular(i.File)
	if err != nil {
		return nil, i.Options, err
	}
	options := i.Options
	if options.ModTime.IsZero() {
		options.ModTime = info.ModTime()
	}
	return f, options, nil
}

// storeItem stores one by itself.
func (c *Cluster) storeItem(ctx context.Context, i Item) (metadata.Row, error) {
	body, options, err := i.open(ctx)
	if err != nil {
		return metadata.Row{}, err
	}
	defer body.Close()
	return c.Store(ctx, i.Path, body, options)
}
