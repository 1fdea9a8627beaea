package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"example.com/ezdfs/settings"
)

// The test binary starts itself again as another process of the same cluster:
// roleVariable says what it does there, settingsVariable with which settings.
const (
	roleVariable     = "EZDFS_TEST_ROLE"
	settingsVariable = "EZDFS_TEST_SETTINGS"
)

// other is another process of the same cluster.
type other struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Scanner
	stderr bytes.Buffer
}

// startOther starts a process that plays a role with its arguments.
func startOther(t *testing.T, s settings.Settings, role string, args ...string) *other {
	t.Helper()
	o := &other{cmd: exec.CommandContext(t.Context(), os.Args[0], args...)}
	// gob, unlike JSON, keeps secrets.
	var encoded bytes.Buffer
	if err := gob.NewEncoder(&encoded).Encode(s); err != nil {
		t.Fatal(err)
	}
	o.cmd.Env = append(os.Environ(), roleVariable+"="+role,
		settingsVariable+"="+base64.StdEncoding.EncodeToString(encoded.Bytes()))
	o.cmd.Stderr = &o.stderr
	stdin, err1 := o.cmd.StdinPipe()
	stdout, err2 := o.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, o.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	o.stdin, o.stdout = stdin, bufio.NewScanner(stdout)
	o.stdout.Buffer(nil, 1<<20)
	return o
}

// roles are what another process can do. Each returns its exit code's error.
var roles = map[string]func(ctx context.Context, s settings.Settings, args []string) error{
	"crash":  playCrash,
	"writer": playWriter,
	"herd":   playHerd,
}

func playRole(role string) int {
	raw, err := base64.StdEncoding.DecodeString(os.Getenv(settingsVariable))
	var s settings.Settings
	if err == nil {
		err = gob.NewDecoder(bytes.NewReader(raw)).Decode(&s)
	}
	if err == nil {
		err = roles[role](context.Background(), s, os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, role, err)
		return 1
	}
	return 0
}

// playWriter stores a body of its own under args[0] for every line it reads:
// its name, args[1], and the line say who wrote it, in the body as in the row.
func playWriter(ctx context.Context, s settings.Settings, args []string) error {
	c, err := Open(ctx, s, WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))))
	if err != nil {
		return err
	}
	defer c.Close()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		path, tag := in.Text(), args[0]
		body := strings.Repeat(tag+"\n", 2000)
		if _, err := c.Store(ctx, path, strings.NewReader(body), StoreOptions{DataType: tag}); err != nil {
			return err
		}
		fmt.Println("stored")
	}
	return nil
}

// TestTwoWriters: whoever of two processes comes last, row and body are from
// the same one. The bodies are equally long, so that no size gives a mix away.
func TestTwoWriters(t *testing.T) {
	const rounds = 200
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := fullSettings(t, engine)
			createSchema(t, s)
			c := open(t, s)
			writers := []*other{startOther(t, s, "writer", "writer/one"), startOther(t, s, "writer", "writer/two")}
			won := map[string]int{}
			for round := range rounds {
				path := []string{onNFS, onS3, onGCS}[round%3] + fmt.Sprint("contended", round%2)
				for _, w := range writers {
					fmt.Fprintln(w.stdin, path)
				}
				for _, w := range writers {
					if !w.stdout.Scan() {
						t.Fatalf("round %d: a writer ended: %s", round, &w.stderr)
					}
				}
				row, err := c.Stat(t.Context(), path)
				if err != nil {
					t.Fatal(err)
				}
				if want := strings.Repeat(row.DataType+"\n", 2000); c.body(t, path) != want {
					t.Fatalf("round %d: %s has the row of %s and another body", round, path, row.DataType)
				}
				won[row.DataType]++
			}
			for _, w := range writers {
				w.stdin.Close()
				if err := w.cmd.Wait(); err != nil {
					t.Errorf("%v: %s", err, &w.stderr)
				}
			}
			t.Logf("rounds won: %v", won)
		})
	}
}
