package backendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/ezdfs/backends"
)

// Memory is a backend in memory, for tests of what is built on backends. It
// implements no optional interface. Make one with [NewMemory].
type Memory struct {
	name string

	mu       sync.Mutex
	bodies   map[string]memoryBody
	staged   map[*memoryStaged]bool
	versions int
	down     bool
}

var _ backends.Backend = (*Memory)(nil)

type memoryBody struct {
	info backends.Info
	data []byte
}

// NewMemory returns an empty store in memory.
func NewMemory(name string) *Memory {
	return &Memory{name: name, bodies: map[string]memoryBody{}, staged: map[*memoryStaged]bool{}}
}

// SetDown makes every call fail with backends.ErrUnavailable, or mends that.
func (m *Memory) SetDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// Staged returns the paths that bodies are staged for, in order.
func (m *Memory) Staged() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var paths []string
	for staged := range m.staged {
		paths = append(paths, staged.path)
	}
	slices.Sort(paths)
	return paths
}

// lock checks what every call must check and locks the store; the caller
// unlocks it where the error is nil.
func (m *Memory) lock(ctx context.Context, op, path string) error {
	if err := ctx.Err(); err != nil {
		return m.error(op, path, nil, err)
	}
	m.mu.Lock()
	if m.down {
		m.mu.Unlock()
		return m.error(op, path, backends.ErrUnavailable, errors.New("set down"))
	}
	return nil
}

func (m *Memory) error(op, path string, kind, err error) error {
	return &backends.Error{Backend: m.name, Op: op, Path: path, Kind: kind, Err: err, Retry: kind == backends.ErrUnavailable}
}

// Name is the name given to NewMemory.
func (m *Memory) Name() string { return m.name }

// Ping fails only while the store is set down.
func (m *Memory) Ping(ctx context.Context) error {
	if err := m.lock(ctx, "ping", ""); err != nil {
		return err
	}
	m.mu.Unlock()
	return nil
}

func (m *Memory) body(ctx context.Context, op, path string) (memoryBody, error) {
	if err := backends.CheckPath(m.name, op, path); err != nil {
		return memoryBody{}, err
	}
	if err := m.lock(ctx, op, path); err != nil {
		return memoryBody{}, err
	}
	defer m.mu.Unlock()
	body, ok := m.bodies[path]
	if !ok {
		return body, m.error(op, path, fs.ErrNotExist, nil)
	}
	return body, nil
}

// Stat describes the body at path.
func (m *Memory) Stat(ctx context.Context, path string) (backends.Info, error) {
	body, err := m.body(ctx, "stat", path)
	return body.info, err
}

// Open reads the body that path holds now.
func (m *Memory) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	body, err := m.body(ctx, "open", path)
	if err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, m.error("open", path, fs.ErrInvalid, errors.New("negative offset"))
	}
	data := body.data[min(offset, int64(len(body.data))):]
	if length >= 0 {
		data = data[:min(length, int64(len(data)))]
	}
	return &memoryReader{Reader: bytes.NewReader(data), info: body.info}, nil
}

type memoryReader struct {
	*bytes.Reader
	info backends.Info
}

func (r *memoryReader) Info() backends.Info { return r.info }
func (r *memoryReader) Close() error        { return nil }

// Stage keeps the body aside.
func (m *Memory) Stage(ctx context.Context, path string, body io.Reader, attrs backends.Attributes) (backends.Staged, error) {
	if err := backends.CheckStage(m.name, path, attrs); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(contextReader{ctx, body})
	switch {
	case err != nil:
		return nil, m.error("stage", path, nil, err)
	case attrs.Size >= 0 && attrs.Size != int64(len(data)):
		return nil, m.error("stage", path, backends.ErrSize, nil)
	}
	if err := m.lock(ctx, "stage", path); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	staged := &memoryStaged{store: m, path: path, data: data, attrs: attrs}
	m.staged[staged] = true
	return staged, nil
}

// contextReader fails once its context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

type memoryStaged struct {
	store *Memory
	path  string
	data  []byte
	attrs backends.Attributes
}

func (s *memoryStaged) Size() int64 { return int64(len(s.data)) }

func (s *memoryStaged) Publish(ctx context.Context) error {
	m := s.store
	if err := m.lock(ctx, "publish", s.path); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if !m.staged[s] {
		return m.error("publish", s.path, fs.ErrClosed, nil)
	}
	now := time.Now()
	m.versions++
	info := backends.Info{Path: s.path, Size: s.Size(), ModTime: s.attrs.ModTime, Kept: !s.attrs.ModTime.IsZero(), Stored: now,
		Version: strconv.Itoa(m.versions), ContentType: s.attrs.ContentType}
	if info.ModTime.IsZero() {
		info.ModTime = now
	}
	info.ModTime = info.ModTime.Truncate(time.Second)
	m.bodies[s.path] = memoryBody{info, s.data}
	delete(m.staged, s)
	return nil
}

func (s *memoryStaged) Discard(context.Context) error {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	delete(s.store.staged, s)
	return nil
}

// Delete forgets bodies.
func (m *Memory) Delete(ctx context.Context, paths []string) error {
	failed := map[string]error{}
	for _, path := range paths {
		if err := m.delete(ctx, path); err != nil {
			failed[path] = err
		}
	}
	if len(failed) > 0 {
		return &backends.DeleteError{Backend: m.name, Failed: failed}
	}
	return nil
}

func (m *Memory) delete(ctx context.Context, path string) error {
	if err := backends.CheckPath(m.name, "delete", path); err != nil {
		return err
	}
	if err := m.lock(ctx, "delete", path); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.bodies, path)
	return nil
}

// List yields the bodies that were there when it began and still are.
func (m *Memory) List(ctx context.Context, prefix, after string) iter.Seq2[backends.Info, error] {
	return func(yield func(backends.Info, error) bool) {
		if err := m.lock(ctx, "list", ""); err != nil {
			yield(backends.Info{}, err)
			return
		}
		paths := slices.Sorted(maps.Keys(m.bodies))
		m.mu.Unlock()
		for _, path := range paths {
			if path <= after || !strings.HasPrefix(path, prefix) {
				continue
			}
			body, err := m.body(ctx, "list", path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if !yield(body.info, err) || err != nil {
				return
			}
		}
	}
}

// Close does nothing.
func (m *Memory) Close() error { return nil }
