package quickstart

import (
	"bytes"
	"image"
	"slices"
	"strings"
	"testing"

	"example.com/ezdfs/cluster"
)

func TestSamplesAreWhatTheirNamesSay(t *testing.T) {
	types := map[string]string{".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".pdf": "application/pdf",
		".wav": "audio/wav", ".xml": "text/xml", ".txt": "text/plain"}
	seen := map[string]bool{}
	images := 0
	for _, sample := range samples() {
		if seen[strings.ToLower(sample.path)] {
			t.Errorf("%s is there twice, on some file systems", sample.path)
		}
		seen[strings.ToLower(sample.path)] = true
		body := sample.body()
		if !bytes.Equal(body, sample.body()) {
			t.Errorf("%s differs each time", sample.path)
		}
		want := types[sample.path[strings.LastIndexByte(sample.path, '.'):]]
		got, _, err := cluster.DetectType(sample.path, bytes.NewReader(body))
		if err != nil || want != "" && got != want {
			t.Errorf("%s is %s, %v", sample.path, got, err)
		}
		if strings.HasPrefix(want, "image/") {
			images++
			if _, _, err := image.Decode(bytes.NewReader(body)); err != nil {
				t.Errorf("%s: %v", sample.path, err)
			}
		}
	}
	if images < 24 {
		t.Errorf("%d images", images)
	}
	for _, path := range []string{sampleImage, sampleSpaced, sampleOriginal, sampleCache} {
		if !seen[strings.ToLower(path)] {
			t.Errorf("commands name %s, which is no sample", path)
		}
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{
		"var/a_b-c.png": "var/a_b-c.png",
		"":              "''",
		"a b":           "'a b'",
		"it's":          `'it'\''s'`,
		"$(rm)":         "'$(rm)'",
		"ü":             "'ü'",
	} {
		if got := quote(word); got != want {
			t.Errorf("quote(%q) = %s, want %s", word, got, want)
		}
	}
}

func TestNextSteps(t *testing.T) {
	commands := func(o Options) []string {
		var list []string
		for _, step := range nextSteps("/srv/a b", o) {
			list = append(list, step.Command)
		}
		return list
	}
	start := "ctl quickstart --serve '/srv/a b'"
	if list := commands(Options{Command: "ctl"}); list[0] != start || list[1] != "cd '/srv/a b'" {
		t.Errorf("without --serve: %q", list)
	}
	if list := commands(Options{Command: "ctl", Serve: true}); slices.Contains(list, start) {
		t.Errorf("with --serve: %q", list)
	}
}

func TestIsGoRun(t *testing.T) {
	for program, want := range map[string]bool{
		"/tmp/go-build123/b001/exe/dfsctl": true,
		"/home/me/.cache/go-build/aa/aa382fa16c8746dae9a5330373659676ff7c824fee59e031da173a8cf6d48d1e-d/dfsctl": true,
		"/home/me/go/bin/dfsctl": false,
		"/srv/exe/dfsctl":        false,
	} {
		if got := isGoRun(program); got != want {
			t.Errorf("isGoRun(%q) = %t", program, got)
		}
	}
}
