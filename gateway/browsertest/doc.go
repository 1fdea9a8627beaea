// Package browsertest shows a page of images from all three kinds of store, as
// a real browser sees it through Varnish. It has nothing but a test:
//
//	DFS_TEST_BROWSER=1 go test ./gateway/browsertest   # needs chromium
//	DFS_TEST_BROWSER=page.png go test ./gateway/browsertest   # keeps the screenshot
package browsertest
