package quickstart

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// sample is a file that a site might have.
type sample struct {
	path  string
	scope string // "" where the path tells it
	body  func() []byte
}

// Sample files that the commands to try name.
const (
	sampleImage    = imagesPrefix + "/logo.png"
	sampleSpaced   = imagesPrefix + "/media/images/harbour 50% off + more.jpg"
	sampleOriginal = originalsPrefix + "/application/annual report.pdf"
	sampleCache    = "var/site/cache/content/site/2-8a3f.cache"
)

// samples are the sample files: images of many kinds and sizes, with the
// aliases that the legacy makes of them, uploads of other types, and files of
// the caches. Some have names that trip careless software.
func samples() []sample {
	list := []sample{
		{path: sampleImage, body: pngOf(320, 120, disc)},
		{path: imagesPrefix + "/media/images/Grüße aus Köln.png", body: pngOf(240, 160, stripes)},
		{path: imagesPrefix + "/media/images/夕焼け.jpg", body: jpegOf(400, 300, 85, gradient)},
		{path: imagesPrefix + "/media/images/rock & roll #1.gif", body: gifOf(96, 96, 6)},
		{path: imagesPrefix + "/media/images/spinner.gif", body: gifOf(32, 32, 12)},
		{path: imagesPrefix + "/media/images/pixel.gif", body: gifOf(1, 1, 1)},
		{path: imagesPrefix + "/media/images/noise.png", body: pngOf(256, 256, noise)},
		{path: imagesPrefix + "-versioned/1042/2-eng-GB/draft.png", body: pngOf(128, 128, stripes)},
		{path: originalsPrefix + "/audio/chime.wav", body: wav},
		{path: originalsPrefix + "/application/backup.bin", body: noiseBytes(300_000)},
		{path: originalsPrefix + "/application/empty.bin", body: func() []byte { return nil }},
		{path: originalsPrefix + "/text/read me (final).txt", body: lines("Read me at last.\n", 40)},
		{path: sampleOriginal, body: pdf("Annual report")},
		{path: originalsPrefix + "/application/Preisliste + Konditionen.pdf", body: pdf("Preisliste")},
		{path: "var/site/storage/sitemap.xml", body: lines(`<?xml version="1.0" encoding="UTF-8"?><urlset/>`+"\n", 1)},
		{path: sampleCache, scope: "viewcache", body: lines("a:1:{s:4:\"body\";s:12:\"<p>Hello</p>\";}\n", 30)},
		{path: "var/site/cache/template-block/1/7/2/1729.cache", scope: "template-block", body: lines("<div>A block</div>\n", 12)},
		{path: "var/site/cache/expiry.php", scope: "expirycache", body: lines("<?php $Timestamps = array( 'content-view-cache' => 1714554000 ); ?>\n", 1)},
	}
	return append(list, photographs()...)
}

// photographs are four images, each with the aliases of the legacy.
func photographs() []sample {
	list := []sample{{path: sampleSpaced, body: jpegOf(800, 600, 80, gradient)}}
	subjects := []struct {
		name string
		p    pattern
	}{{"harbour", gradient}, {"fractal", fractal}, {"tiles", stripes}, {"moon", disc}}
	aliases := []struct {
		suffix        string
		width, height int
	}{{"", 960, 640}, {"_large", 480, 320}, {"_medium", 240, 160}, {"_small", 120, 80}}
	for i, subject := range subjects {
		for _, alias := range aliases {
			name := fmt.Sprintf("%s/media/images/%s/%d-1-eng-GB/%s%s.jpg", imagesPrefix, subject.name, 1043+i, subject.name, alias.suffix)
			list = append(list, sample{path: name, body: jpegOf(alias.width, alias.height, 75, subject.p)})
		}
	}
	return list
}

// modTime is the modification time of the i-th sample.
func modTime(i int) time.Time {
	return time.Date(2024, 5, 1, 9, 0, 0, 0, time.UTC).Add(time.Duration(i) * 17 * time.Minute)
}

func lines(line string, times int) func() []byte {
	return func() []byte { return []byte(strings.Repeat(line, times)) }
}

// noiseBytes is what does not compress and looks like no known type.
func noiseBytes(n int) func() []byte {
	return func() []byte {
		source := rand.NewChaCha8([32]byte{'e', 'z', 'd', 'f', 's'})
		body := make([]byte, n)
		source.Read(body)
		return body
	}
}

// pdf is a document of one empty page with a title.
func pdf(title string) func() []byte {
	return func() []byte {
		var b bytes.Buffer
		b.WriteString("%PDF-1.4\n")
		objects := []string{
			"<< /Type /Catalog /Pages 2 0 R >>",
			"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
			"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
			"<< /Title (" + title + ") >>",
		}
		var offsets []int
		for i, object := range objects {
			offsets = append(offsets, b.Len())
			fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
		}
		start := b.Len()
		fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
		for _, offset := range offsets {
			fmt.Fprintf(&b, "%010d 00000 n \n", offset)
		}
		fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R /Info 4 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
		return b.Bytes()
	}
}
