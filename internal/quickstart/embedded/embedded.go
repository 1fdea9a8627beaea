// Package embedded runs an S3 and a Google Cloud Storage service inside this
// process, on ports of 127.0.0.1, for trying things out where there is neither:
//
//	services, err := embedded.Start(ctx, "objects.sqlite", embedded.Addresses{})
//	if err != nil {
//		return err
//	}
//	defer services.Close(ctx)
//	fmt.Println(services.S3.URL(), services.GCS.URL())
//
// Each has one bucket, [Bucket]. Objects outlive the process, in one SQLite
// file. The services are emulators, gofakes3 and fake-gcs-server: they ask
// nobody for credentials, ignore most preconditions, and GCS keeps its objects
// in memory too. They are not for production, nor a proof that a client works
// with the real ones.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Bucket is the bucket that each service has.
const Bucket = "quickstart"

// Addresses are where the services listen: host and port. An empty one means
// any free port of 127.0.0.1.
type Addresses struct {
	S3  string `json:"s3"`
	GCS string `json:"gcs"`
}

// Services are the running services. Close them after use.
type Services struct {
	S3, GCS *Service

	objects *objects
	gcs     *gcsBucket
}

// Service is one running service.
type Service struct {
	Address string // host and port
	// Taken is the address that was asked for, where another program listens
	// there, so that this one is another; else "".
	Taken string

	server   *http.Server
	listener net.Listener
	failed   chan error // closed when it listens no more
}

// URL is the service's endpoint.
func (s *Service) URL() string { return "http://" + s.Address }

// Start starts both services over the objects kept in file, which it makes
// where it does not exist. Where another program listens on an address they
// get another: see Service.Taken. A file that another process has open is an
// error.
func Start(ctx context.Context, file string, want Addresses) (_ *Services, err error) {
	store, err := openObjects(file)
	if err != nil {
		return nil, err
	}
	s := &Services{objects: store}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(ctx))
		}
	}()
	if s.S3, err = listen(ctx, want.S3); err != nil {
		return nil, err
	}
	if s.GCS, err = listen(ctx, want.GCS); err != nil {
		return nil, err
	}
	if s.gcs, err = newGCS(store, s.GCS.Address); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s.S3.serve(newS3(store))
	s.GCS.serve(s.gcs)
	return s, nil
}

// listen takes the address, or another.
func listen(ctx context.Context, address string) (*Service, error) {
	const free = "127.0.0.1:0"
	var taken string
	if address == "" {
		address = free
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil && address != free {
		taken = address
		listener, err = config.Listen(ctx, "tcp", free)
	}
	if err != nil {
		return nil, err
	}
	return &Service{Address: listener.Addr().String(), Taken: taken, listener: listener}, nil
}

func (s *Service) serve(handler http.Handler) {
	s.server = &http.Server{Handler: guard(s.Address, handler), ReadHeaderTimeout: 10 * time.Second}
	s.failed = make(chan error, 1)
	go func() {
		defer close(s.failed)
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
}

// Wait returns nil once ctx is done, or the reason why a service ended before.
func (s *Services) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.S3.failed:
		return fmt.Errorf("S3 on %s: %w", s.S3.Address, err)
	case err := <-s.GCS.failed:
		return fmt.Errorf("GCS on %s: %w", s.GCS.Address, err)
	}
}

// closeGrace is how long requests under way may take when the services close.
const closeGrace = 5 * time.Second

// Close ends the services, requests under way first, and the file. It works
// with a context that is done already.
func (s *Services) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	err := errors.Join(s.S3.close(ctx), s.GCS.close(ctx))
	if s.gcs != nil {
		s.gcs.emulator.Stop()
	}
	return errors.Join(err, s.objects.close())
}

// close ends a service, whatever it had got to.
func (s *Service) close(ctx context.Context) error {
	switch {
	case s == nil:
		return nil
	case s.server == nil:
		return s.listener.Close()
	}
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = s.server.Close() // nobody waits any longer
	}
	for range s.failed { // until the goroutine has ended
	}
	return err
}
