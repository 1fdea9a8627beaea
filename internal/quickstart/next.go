package quickstart

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

// Step is a command to try.
type Step struct {
	About   string `json:"about"`
	Command string `json:"command"` // for a POSIX shell
}

// nextSteps are commands that work in the order given, while the services run.
func nextSteps(dir string, o Options) []Step {
	var steps []Step
	dfsctl := o.Command
	if dfsctl == "" {
		var build string
		if dfsctl, build = callSelf(dir); build != "" {
			steps = append(steps, Step{"keep the program, which `go run` throws away", build})
		}
	}
	if !o.Serve {
		steps = append(steps, Step{"start the services, here until Ctrl-C", dfsctl + " quickstart --serve " + quote(dir)})
	}
	cd := Step{"the directory is a site root: dfsctl finds its settings/", "cd " + quote(dir)}
	if dfsctl == quote(filepath.Join(dir, programFile)) {
		dfsctl = "./" + programFile
	}
	copied, moved := "var/site/storage/copies/report.pdf", originalsPrefix+"/image/logo.png"
	return append(steps,
		cd,
		Step{"what is there; every command has --json", dfsctl + " ls -l " + imagesPrefix + "/media"},
		Step{"one file's row, and where a path would go", dfsctl + " stat " + quote(sampleSpaced) + " && " + dfsctl + " route " + sampleCache},
		Step{"out of the cluster, the same bytes", dfsctl + " get " + quote(sampleSpaced) + " copy.jpg && cmp copy.jpg " + quote(sampleSpaced)},
		Step{"the object itself, from the embedded S3", "curl -fsS \"$(" + dfsctl + " url " + sampleImage + ")\" | cmp - " + sampleImage},
		Step{"from GCS to NFS, and from S3 to GCS", dfsctl + " cp " + quote(sampleOriginal) + " " + copied + " && " + dfsctl + " mv " + sampleImage + " " + moved},
		Step{"expire it, then remove what has expired, rows and bodies", dfsctl + " rm " + moved + " && " + dfsctl + " purge"},
		Step{"put it back from the local file", dfsctl + " put --scope image " + sampleImage + " " + sampleImage},
		Step{"the settings in effect, with the file and line of each", dfsctl + " config show --origin"},
		Step{"the files over HTTP, at http://127.0.0.1:8080/" + sampleImage + ", until Ctrl-C", dfsctl + " serve"},
	)
}

// programFile is the program in a quickstart's directory, where a reader of
// the report is told to build it.
const programFile = "dfsctl"

// callSelf is how a shell in dir calls this program, after the command build
// where that is not empty.
func callSelf(dir string) (call, build string) {
	self, err := os.Executable()
	if err != nil {
		return "dfsctl", ""
	}
	if info, ok := debug.ReadBuildInfo(); ok && isGoRun(self) {
		program := filepath.Join(dir, programFile)
		build = "go build -o " + quote(program) + " " + info.Path
		if wd, err := os.Getwd(); err == nil {
			build = "cd " + quote(wd) + " && " + build
		}
		return quote(program), build
	}
	if found, err := exec.LookPath("dfsctl"); err == nil && sameFile(found, self) {
		return "dfsctl", ""
	}
	return quote(self), ""
}

// goRunDirs are the directories that `go run` runs programs from: one that it
// removes afterwards, or an entry of the build cache, which it trims.
var goRunDirs = regexp.MustCompile(`(/go-build[^/]*/b\d+/exe|/[0-9a-f]{2}/[0-9a-f]{64}-d)$`)

// isGoRun reports whether the program lies where `go run` builds it.
func isGoRun(program string) bool {
	return goRunDirs.MatchString(filepath.ToSlash(filepath.Dir(program)))
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// quote quotes a word for a POSIX shell, where it needs to be.
func quote(word string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+:,@", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
