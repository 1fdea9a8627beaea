package replicate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"example.com/ezdfs/backends"
)

// Test writes a small file beside the site's, reads it back and deletes it:
// what a delivery needs the permission for.
func (t *Target) Test(ctx context.Context) (string, error) {
	if err := t.to.Ping(ctx); err != nil {
		return "", t.classify(ctx, err)
	}
	path := "ezdfs-test/" + rand.Text()
	defer t.to.Delete(context.WithoutCancel(ctx), []string{path})
	if err := t.probe(ctx, path); err != nil {
		return "", t.classify(ctx, err)
	}
	return fmt.Sprintf("wrote, read and deleted %s on %s", path, t.to.Name()), nil
}

func (t *Target) probe(ctx context.Context, path string) error {
	staged, err := t.to.Stage(ctx, path, strings.NewReader(path), backends.Attributes{Size: int64(len(path)), ContentType: "text/plain"})
	if err != nil {
		return err
	}
	defer staged.Discard(context.WithoutCancel(ctx))
	if err := staged.Publish(ctx); err != nil {
		return err
	}
	body, err := t.to.Open(ctx, path, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || string(got) != path {
		return errors.Join(err, fmt.Errorf("read back %d bytes of %d", len(got), len(path)))
	}
	if err := t.to.Delete(ctx, []string{path}); err != nil {
		return err
	}
	if _, err := t.to.Stat(ctx, path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, errors.New("the file is there after it was deleted"))
	}
	return nil
}
