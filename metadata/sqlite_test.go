package metadata

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Several processes write to one file; nothing is lost and nobody fails.
func TestSQLiteSharedByProcesses(t *testing.T) {
	const processes, each = 3, 100
	if path := os.Getenv("METADATA_TEST_WRITER"); path != "" {
		c := sqliteTestConfig(t)
		c.Name, c.Create = path, false
		s := openTest(t, c)
		for range each {
			if err := s.Update(t.Context(), increment); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	s := createTest(t, sqliteTestConfig(t))
	put(t, s, Row{Name: "var/s/counter"})
	var running []*exec.Cmd
	for range processes {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSQLiteSharedByProcesses$")
		cmd.Env = append(os.Environ(), "METADATA_TEST_WRITER="+s.config.Name)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	var errs []error
	for _, cmd := range running {
		errs = append(errs, cmd.Wait())
	}
	row, err := s.Get(t.Context(), "var/s/counter")
	if err := errors.Join(append(errs, err)...); err != nil || row.Size != processes*each {
		t.Errorf("counted %d, %v", row.Size, err)
	}
}

// increment reads a row under its lock and writes it back.
func increment(tx *Tx) error {
	rows, err := tx.Lock(Row{Name: "var/s/counter"})
	if err != nil || len(rows) != 1 {
		return errors.Join(err, fmt.Errorf("%d rows", len(rows)))
	}
	rows[0].Size++
	return tx.Upsert(rows[0])
}

// What is acknowledged is on the disk, in a log that readers do not wait for.
func TestSQLiteDurability(t *testing.T) {
	s := createTest(t, sqliteTestConfig(t))
	var mode string
	var synchronous int
	if err := s.pools.write.QueryRow("PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal_mode %s, %v", mode, err)
	}
	if err := s.pools.write.QueryRow("PRAGMA synchronous").Scan(&synchronous); err != nil || synchronous != 2 {
		t.Errorf("synchronous %d, %v", synchronous, err)
	}
	if _, err := s.pools.read.Exec("DELETE FROM ezdfsfile"); err == nil {
		t.Error("the pool for reading writes")
	}
	err := s.Update(t.Context(), func(tx *Tx) error {
		if err := tx.Upsert(complete(s, Row{Name: "var/s/a"})); err != nil {
			return err
		}
		if got := names(t, s, Filter{}); len(got) != 0 {
			t.Errorf("readers see %q before the commit", got)
		}
		return nil
	})
	if got := names(t, s, Filter{}); err != nil || len(got) != 1 {
		t.Errorf("readers see %q, %v", got, err)
	}
}
