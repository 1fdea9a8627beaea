package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// mute is a store whose bodies cannot be looked at.
type mute struct {
	backends.Backend
	asked int
}

func (m *mute) Stat(context.Context, string) (backends.Info, error) {
	m.asked++
	return backends.Info{}, &backends.Error{Backend: m.Name(), Op: "stat", Kind: backends.ErrUnavailable}
}

// TestFinishTellsOnce: a batch that failed half-way on a store that is down asks it
// once, and logs a line.
func TestFinishTellsOnce(t *testing.T) {
	store := new(mute)
	var logged bytes.Buffer
	c := newCluster(t, WithLogger(slog.New(slog.NewTextHandler(&logged, nil))), WithBackendWrapper(func(b backends.Backend) backends.Backend {
		store.Backend = b
		return store
	}))
	var rows []metadata.Row
	for i := range 20 {
		rows = append(rows, c.mustStore(t, fmt.Sprint("var/", i), "body"))
	}
	store.asked = 0
	logged.Reset()
	c.finish(t.Context(), errors.New("connection refused"), rows...)
	if line := logged.String(); store.asked != 1 || strings.Count(line, "\n") != 1 || !strings.Contains(line, "path=var/0 more=19 cause=\"connection refused\"") {
		t.Errorf("asked %d times, logged %q", store.asked, line)
	}
}
