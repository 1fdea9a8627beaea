// Package backendtest holds the conformance suite that every backends.Backend
// passes on its real service, and [Memory], a backend in memory for the tests
// of whatever is built on backends.
//
// A backend's own tests need one function:
//
//	func TestConformance(t *testing.T) {
//		backendtest.Run(t, backendtest.Harness{
//			New:          func(t *testing.T) backends.Backend { return newBackend(t) },
//			KeepsModTime: true,
//		})
//	}
//
// The suite is not for what only one store can do wrong (parts of a multipart
// upload, a directory in the way): that stays in the backend's own tests, and
// so does the check for leaked goroutines, which needs a TestMain.
package backendtest

import (
	"testing"

	"example.com/ezdfs/backends"
)

// Harness tells the suite how to reach one kind of store and what its service
// cannot do.
type Harness struct {
	// New returns a backend over an empty store of its own, which t.Cleanup
	// closes and removes. Every subtest calls it once.
	New func(t *testing.T) backends.Backend

	// Staged names what lies staged in the store of b, bodies in the making
	// included, in any form. Nil when the store shows no such thing.
	Staged func(t *testing.T, b backends.Backend) []string

	// Break makes the store of b unusable, as an unmounted share or a missing
	// bucket does, and returns what mends it. Nil skips those tests.
	Break func(t *testing.T, b backends.Backend) (mend func())

	// LargeBody is the size in bytes of the bodies that must not fit in one
	// part; 0 means 12 MiB and one byte.
	LargeBody int
	// ManyPaths is how many bodies the tests of long deletes and listings
	// use; 0 means 2,500.
	ManyPaths int

	// KeepsModTime: the store keeps Attributes.ModTime, to the second.
	KeepsModTime bool
	// ListsModTime: listings tell that time too.
	ListsModTime bool
	// KeepsContentType: the store keeps Attributes.ContentType.
	KeepsContentType bool
	// DirectoryConflict: the bodies "a" and "a/b" cannot coexist.
	DirectoryConflict bool
	// StagesInMemory: a small body is staged without asking the store, so that
	// a broken store shows when it is published.
	StagesInMemory bool
	// IgnoresCreate: the service does not know the condition of PublishNew and
	// replaces what is there.
	IgnoresCreate bool
	// Dispatches: the backend stands for others, so errors name the one that
	// was asked and what it was asked to do.
	Dispatches bool
	// Unsupported reports paths that the service of the tests (not the
	// backend) cannot hold, such as names one emulator mistreats.
	Unsupported func(path string) bool

	// FetchesPublicURLs: a plain GET of PublicURL answers with the body.
	FetchesPublicURLs bool
	// ChecksSignatures: the service refuses a signed URL that was tampered
	// with.
	ChecksSignatures bool
}

// Run runs the whole suite; each subtest gets an empty store from h.New.
func Run(t *testing.T, h Harness) {
	if h.LargeBody == 0 {
		h.LargeBody = 12<<20 + 1
	}
	if h.ManyPaths == 0 {
		h.ManyPaths = 2500
	}
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Stage", stageTests},
		{"Create", createTests},
		{"Read", readTests},
		{"Names", nameTests},
		{"Delete", deleteTests},
		{"List", listTests},
		{"Copy", copyTests},
		{"Concurrent", concurrentTests},
		{"Context", contextTests},
		{"URL", urlTests},
		{"Broken", brokenTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					test.run(t, h, store{h.New(t), h})
				})
			}
		})
	}
}

// test is one subtest over an empty store.
type test struct {
	name string
	run  func(t *testing.T, h Harness, s store)
}
