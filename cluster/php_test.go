package cluster

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/metadata"
)

// php writes as a PHP frontend of the legacy kernel does: the row first, in a
// transaction, then the body, in place.
type php struct {
	db    *sql.DB
	mount string
}

func newPHP(t *testing.T, database, mount string) php {
	t.Helper()
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = "root", "unix", mariaDB.Socket(), database
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	p := php{sql.OpenDB(connector), mount}
	t.Cleanup(func() { p.db.Close() })
	return p
}

func (p php) store(ctx context.Context, path, datatype, body string) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, `INSERT INTO ezdfsfile (datatype, name, name_trunk, name_hash, scope, size, mtime, expired)
		VALUES (?, ?, ?, ?, 'image', ?, 1700000000, 0)
		ON DUPLICATE KEY UPDATE datatype=VALUES(datatype), scope=VALUES(scope), size=VALUES(size), mtime=VALUES(mtime), expired=VALUES(expired)`,
		datatype, path, path, metadata.Hash(path), len(body))
	if err != nil {
		return err
	}
	file := filepath.Join(p.mount, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(body), 0o666); err != nil {
		return err
	}
	return tx.Commit()
}

// TestBesidePHP: PHP and we write one path again and again; whoever comes
// last, row and body are from the same one.
func TestBesidePHP(t *testing.T) {
	s := nfsSettings(t, "mariadb")
	createSchema(t, s)
	c := open(t, s)
	frontend := newPHP(t, s.DFS.DBName, s.NFS["nfs"].MountPointPath)
	body := func(who string) string { return strings.Repeat(who+"\n", 500) }
	for round := range 100 {
		path := fmt.Sprint("var/site/storage/", round%3)
		var group errgroup.Group
		group.Go(func() error { return frontend.store(t.Context(), path, "by/php", body("by/php")) })
		group.Go(func() error {
			_, err := c.Store(t.Context(), path, strings.NewReader(body("by/us-")), StoreOptions{DataType: "by/us-"})
			return err
		})
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		row, err := c.Stat(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if c.contents(t, path) != body(row.DataType) {
			t.Fatalf("round %d: the row is %s, the body is not", round, row.DataType)
		}
	}
}

// TestReadWhatPHPWrote: a row and a body of PHP's are a file of the cluster,
// and a row that PHP deleted outright is one no longer.
func TestReadWhatPHPWrote(t *testing.T) {
	s := nfsSettings(t, "mariadb")
	createSchema(t, s)
	c := open(t, s)
	frontend := newPHP(t, s.DFS.DBName, s.NFS["nfs"].MountPointPath)
	if err := frontend.store(t.Context(), "var/site/storage/a", "image/png", "by PHP"); err != nil {
		t.Fatal(err)
	}
	if got := c.contents(t, "var/site/storage/a"); got != "by PHP" {
		t.Errorf("reads %q", got)
	}
	if _, err := c.Move(t.Context(), "var/site/storage/a", "var/site/storage/b"); err != nil {
		t.Fatal(err)
	}
	row, err := c.Stat(t.Context(), "var/site/storage/b")
	if err != nil || row.MTime != 1_700_000_000 || row.DataType != "image/png" || row.Scope != "image" {
		t.Errorf("row %+v, %v", row, err)
	}
	if _, err := frontend.db.ExecContext(t.Context(), "DELETE FROM ezdfsfile"); err != nil {
		t.Fatal(err)
	}
	if got := c.contents(t, "var/site/storage/b"); got != "<none>" {
		t.Errorf("a deleted row reads %q", got)
	}
}
