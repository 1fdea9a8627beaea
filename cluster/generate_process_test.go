package cluster

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// herd is what became of the requests of one process.
type herd struct {
	Generations int
	Origins     map[Origin]int
	Texts       map[string]int
	Latencies   []time.Duration // of the answers that were not waited for
	Error       string
}

// playHerd makes args[0] requests for the page at once, whenever it reads a
// line, and prints their herd. The generator begins once all of them have, and
// takes args[1], or less where there is the file args[2] and all others of the
// process have been answered.
func playHerd(ctx context.Context, s settings.Settings, args []string) error {
	c, err := Open(ctx, s)
	if err != nil {
		return err
	}
	defer c.Close()
	requests, _ := strconv.Atoi(args[0])
	takes, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := json.NewEncoder(os.Stdout).Encode(stampede(ctx, c, requests, takes, args[2], in.Text())); err != nil {
			return err
		}
	}
	return nil
}

func stampede(ctx context.Context, c *Cluster, requests int, takes time.Duration, enough, text string) herd {
	h := herd{Origins: map[Origin]int{}, Texts: map[string]int{}}
	var generations, begun, answered atomic.Int32
	othersAnswered := func() bool {
		_, err := os.Stat(enough)
		return err == nil && int(answered.Load()) == requests-1
	}
	generate := func(ctx context.Context, w io.Writer) error {
		generations.Add(1)
		for int(begun.Load()) < requests {
			if err := sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		for ends := time.Now().Add(takes); time.Now().Before(ends) && !othersAnswered(); {
			if err := sleep(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, text)
		return err
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	start := make(chan struct{})
	for range requests {
		all.Go(func() {
			<-start
			begun.Add(1)
			began := time.Now()
			entry, err := c.GetOrGenerate(ctx, page, generate, viewCache)
			var data []byte
			if err == nil {
				data, err = entry.Bytes()
			}
			took := time.Since(began)
			answered.Add(1)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				h.Error = err.Error()
				return
			}
			h.Origins[entry.Origin]++
			h.Texts[string(data)]++
			if entry.Origin == Stale {
				h.Latencies = append(h.Latencies, took)
			}
		})
	}
	close(start)
	all.Wait()
	h.Generations = int(generations.Load())
	return h
}

// startHerds starts processes of so many requests each.
func startHerds(t *testing.T, s settings.Settings, processes, requests int, takes time.Duration, enough string) []*other {
	t.Helper()
	var herds []*other
	for range processes {
		o := startOther(t, s, "herd", strconv.Itoa(requests), takes.String(), enough)
		if !o.stdout.Scan() || o.stdout.Text() != "ready" {
			t.Fatalf("%s", &o.stderr)
		}
		herds = append(herds, o)
	}
	return herds
}

// runHerds lets the herds loose and adds up what they say. When one is left,
// which may be the one that generates, it makes the file that says enough.
func runHerds(t *testing.T, herds []*other, enough, text string) herd {
	t.Helper()
	ended := make(chan *other, len(herds))
	for _, o := range herds {
		fmt.Fprintln(o.stdin, text)
		go func() {
			o.stdout.Scan()
			ended <- o
		}()
	}
	total := herd{Origins: map[Origin]int{}, Texts: map[string]int{}}
	for left := len(herds); left > 0; left-- {
		if left == 1 && enough != "" {
			if err := os.WriteFile(enough, nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		o := <-ended
		var h herd
		if err := json.Unmarshal(o.stdout.Bytes(), &h); err != nil || h.Error != "" {
			t.Fatalf("%v %s %s", err, h.Error, &o.stderr)
		}
		total.Generations += h.Generations
		for origin, n := range h.Origins {
			total.Origins[origin] += n
		}
		for text, n := range h.Texts {
			total.Texts[text] += n
		}
		total.Latencies = append(total.Latencies, h.Latencies...)
	}
	slices.Sort(total.Latencies)
	return total
}

func endHerds(t *testing.T, herds []*other) {
	t.Helper()
	for _, o := range herds {
		o.stdin.Close()
		if err := o.cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, &o.stderr)
		}
	}
}

// herdCluster is a cluster on MariaDB whose page is a day old.
func herdCluster(t *testing.T, timeout time.Duration) (settings.Settings, *Cluster) {
	t.Helper()
	s := nfsSettings(t, "mariadb")
	s.Content.GenerationTimeout = timeout
	createSchema(t, s)
	c := open(t, s)
	old := StoreOptions{Scope: "viewcache", DataType: "misc", ModTime: time.Now().Add(-24 * time.Hour)}
	if _, err := c.Store(t.Context(), page, strings.NewReader("old"), old); err != nil {
		t.Fatal(err)
	}
	return s, c
}

// TestHerdIsServedStale: of 1,000 requests of four processes for one expired
// file one generates, which takes until all others were served what there was.
// How fast is logged, not asserted: a test machine owes nobody milliseconds.
func TestHerdIsServedStale(t *testing.T) {
	s, c := herdCluster(t, 2*time.Minute)
	enough := filepath.Join(t.TempDir(), "enough")
	herds := startHerds(t, s, 4, 250, time.Minute, enough)
	defer endHerds(t, herds)
	if _, err := c.ExpireTrunk(t.Context(), pageTrunk); err != nil {
		t.Fatal(err)
	}
	h := runHerds(t, herds, enough, "new")
	if h.Generations != 1 || h.Origins[Generated] != 1 || h.Origins[Stale] != 999 || h.Texts["old"] != 999 {
		t.Errorf("%d generations, %v, %v", h.Generations, h.Origins, h.Texts)
	} else {
		t.Logf("stale answers: p50 %v, p99 %v, max %v", h.Latencies[500], h.Latencies[989], h.Latencies[998])
	}
	if h = runHerds(t, herds, "", "newer"); h.Generations != 0 || h.Origins[Hit] != 1000 || h.Texts["new"] != 1000 {
		t.Errorf("afterwards: %d generations, %v, %v", h.Generations, h.Origins, h.Texts)
	}
	c.noLock(t)
}

// TestHerdWaits: where there is nothing stale all wait for the one generation
// and get what it made. That nobody rushes the database at its end shows in
// what the server was asked.
func TestHerdWaits(t *testing.T) {
	s, c := herdCluster(t, time.Minute)
	if _, err := c.Purge(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	c.mustStore(t, "var/site/storage/other", "so that the mount is not empty")
	herds := startHerds(t, s, 4, 250, 2*time.Second, "")
	defer endHerds(t, herds)
	before := questions(t)
	h := runHerds(t, herds, "", "new")
	if h.Generations != 1 || h.Origins[Stale] != 0 || h.Texts["new"] != 1000 || h.Origins[Generated] < 250 {
		t.Errorf("%d generations, %v, %v", h.Generations, h.Origins, h.Texts)
	}
	// Three processes look ten times a second, and at the lock every second.
	if asked := questions(t) - before; asked > 200 {
		t.Errorf("the database was asked %d times", asked)
	} else {
		t.Logf("%v; the database was asked %d times", h.Origins, asked)
	}
	c.noLock(t)
}

// questions is how many statements the server has had from anybody.
func questions(t *testing.T) (n int) {
	t.Helper()
	db, err := sql.Open("mysql", "root@unix("+mariaDB.Socket()+")/")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var name string
	if err := db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Questions'").Scan(&name, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestGeneratorIsKilled: after the timeout one other takes over, and all who
// waited get what it makes.
func TestGeneratorIsKilled(t *testing.T) {
	const timeout = 2 * time.Second
	s, c := herdCluster(t, timeout)
	if _, err := c.Purge(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	c.mustStore(t, "var/site/storage/other", "so that the mount is not empty")
	victim := startHerds(t, s, 1, 1, time.Hour, "")[0]
	fmt.Fprintln(victim.stdin, "never")
	waitFor(t, func() bool {
		_, err := c.meta.Get(t.Context(), page+metadata.GeneratingSuffix)
		return err == nil
	})
	herds := startHerds(t, s, 3, 100, 100*time.Millisecond, "")
	defer endHerds(t, herds)
	if err := victim.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	victim.cmd.Wait()
	began := time.Now()
	h := runHerds(t, herds, "", "by another")
	if h.Generations != 1 || h.Texts["by another"] != 300 {
		t.Errorf("%d generations, %v, %v", h.Generations, h.Origins, h.Texts)
	}
	t.Logf("with a timeout of %v everybody was served after %v: %v", timeout, time.Since(began).Round(time.Millisecond), h.Origins)
	c.noLock(t)
}

// waitFor polls a condition until the test's deadline.
func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for !condition() {
		if err := sleep(t.Context(), 10*time.Millisecond); err != nil {
			t.Fatal("it never happened")
		}
	}
}
