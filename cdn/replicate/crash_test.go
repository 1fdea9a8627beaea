package replicate

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/backends/nfs"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/dispatcher"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// crashVariable makes the test binary a process that delivers and is killed:
// "step replica source".
const crashVariable = "EZDFS_TEST_REPLICATE_CRASH"

// crashingProcess delivers var/a from one tree to another and kills itself at
// a step. It returns 0 where it was never killed.
func crashingProcess() int {
	args := strings.Fields(os.Getenv(crashVariable))
	open := func(dir string) *nfs.Backend {
		b, err := nfs.New(settings.NFS{Name: "nfs", MountPointPath: dir, FileMode: 0o666, DirMode: 0o777})
		if err != nil {
			panic(err)
		}
		return b
	}
	table := &rows{rows: map[string]metadata.Row{}}
	if info, err := os.Stat(filepath.Join(args[2], "var/a")); err == nil {
		table.rows["var/a"] = metadata.Row{Name: "var/a", Size: info.Size(), MTime: info.ModTime().Unix()}
	}
	t, err := New(settings.Replicate{Name: "replicate:a"}, Source{table, open(args[2])}, open(args[1]))
	if err != nil {
		panic(err)
	}
	t.step = func(step string) {
		if step == args[0] {
			self, _ := os.FindProcess(os.Getpid())
			self.Kill()
			select {}
		}
	}
	if err := t.Deliver(context.Background(), []cdn.Item{push("var/a")})[0]; err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A process that is killed between any two steps leaves the old body or the
// new one, whole, and the next delivery finishes its work.
func TestKilled(t *testing.T) {
	old, current := strings.Repeat("old", 100_000), strings.Repeat("current", 100_000)
	for step, want := range map[string]struct{ live, gone string }{
		"stage": {old, ""}, "staged": {old, ""}, "publish": {old, ""}, "published": {current, ""},
		"delete": {current, old}, "deleted": {current, ""}, "never": {current, ""},
	} {
		for _, live := range []bool{true, false} {
			t.Run(fmt.Sprint(step, " live=", live), func(t *testing.T) {
				t.Parallel()
				from, to := t.TempDir(), t.TempDir()
				replica := newNFS(t, to)
				publish(t, replica, "var/a", old, modTime)
				if live {
					publish(t, newNFS(t, from), "var/a", current, modTime.Add(time.Second))
				}
				deliverIn := func(step string) error {
					cmd := exec.CommandContext(t.Context(), os.Args[0])
					cmd.Env = append(os.Environ(), crashVariable+"="+step+" "+to+" "+from)
					cmd.Stderr = os.Stderr
					return cmd.Run()
				}
				reaches := live == (step == "stage" || step == "staged" || step == "publish" || step == "published") && step != "never"
				if err := deliverIn(step); (err != nil) != reaches {
					t.Fatalf("killed: %v", err)
				}
				after := want.live
				if !live {
					after = want.gone
				}
				if got := content(t, replica, "var/a"); got != after {
					t.Errorf("%.10q… after the kill, want %.10q…", got, after)
				}
				if err := deliverIn("never"); err != nil {
					t.Fatal(err)
				}
				end := current
				if !live {
					end = ""
				}
				if got := content(t, replica, "var/a"); got != end {
					t.Errorf("%.10q… in the end", got)
				}
			})
		}
	}
}

var (
	_ Bodies = (*dispatcher.Dispatcher)(nil)
	_ Bodies = (*backendtest.Memory)(nil)
	_ Rows   = (*metadata.Store)(nil)
)
