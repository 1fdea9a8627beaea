package bulk

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// TestContentDB reads the file tables of a content database, in the charset
// old sites have, with case twins and more names than a page holds.
func TestContentDB(t *testing.T) {
	mariaDB.Start(t)
	name := mariaDB.Database(t)
	mariaDB.Exec(t, fmt.Sprintf(`
USE %s;
CREATE TABLE ezimagefile (id INT PRIMARY KEY AUTO_INCREMENT, contentobject_attribute_id INT NOT NULL DEFAULT 0, filepath LONGTEXT NOT NULL) CHARSET=latin1;
CREATE TABLE ezbinaryfile (contentobject_attribute_id INT NOT NULL DEFAULT 0, version INT NOT NULL DEFAULT 0, filename VARCHAR(255) NOT NULL, mime_type VARCHAR(255) NOT NULL) CHARSET=utf8;
CREATE TABLE ezmedia (contentobject_attribute_id INT NOT NULL DEFAULT 0, version INT NOT NULL DEFAULT 0, filename VARCHAR(255) NOT NULL, mime_type VARCHAR(50) NOT NULL) CHARSET=utf8;
SET NAMES utf8mb4;
INSERT INTO ezimagefile (filepath) VALUES ('var/s/storage/images/a.png'), ('var/s/storage/images/A.png'), ('var/s/storage/images/a.png'), ('var/s/storage/images/ä.png');
INSERT INTO ezbinaryfile (filename, version, mime_type) VALUES ('x.pdf', 1, 'application/pdf'), ('x.pdf', 2, 'application/pdf');
INSERT INTO ezmedia (filename, mime_type) VALUES ('x.mp4', 'video/mp4');
INSERT INTO ezbinaryfile (filename, mime_type) SELECT CONCAT(seq, '.txt'), 'text/plain' FROM seq_1_to_10500`, name))

	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = "root", "unix", mariaDB.Socket(), name
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()

	var got []string
	texts := 0
	for item, err := range ContentDB(t.Context(), db, ContentDBOptions{Root: "/site", Storage: "var/s/storage"}) {
		if err != nil {
			t.Fatal(err)
		}
		if item.Options.DataType == "text/plain" {
			texts++
			continue
		}
		got = append(got, fmt.Sprintf("%s %s %s", item.File, item.Options.Scope, item.Options.DataType))
	}
	slices.Sort(got)
	want := []string{
		"/site/var/s/storage/images/A.png image ",
		"/site/var/s/storage/images/a.png image ",
		"/site/var/s/storage/images/ä.png image ",
		"/site/var/s/storage/original/application/x.pdf binaryfile application/pdf",
		"/site/var/s/storage/original/video/x.mp4 mediafile video/mp4",
	}
	if !slices.Equal(got, want) || texts != 10_500 {
		t.Errorf("%d texts and\n%q, want\n%q", texts, got, want)
	}

	for item, err := range ContentDB(t.Context(), db, ContentDBOptions{SkipScopes: []string{"binaryfile", "image"}}) {
		if err != nil || item.Options.Scope != "mediafile" {
			t.Errorf("%+v, %v", item, err)
		}
	}
	// A file that is a body of the cluster itself is refused.
	root := t.TempDir()
	writeFiles(t, root, map[string]string{"var/s/storage/images/a.png": "body"})
	var refused error
	for _, err := range ContentDB(t.Context(), db, ContentDBOptions{Root: root, Skip: []string{root}}) {
		refused = err
	}
	if refused == nil || !strings.Contains(refused.Error(), "lies on the cluster's own mount") {
		t.Errorf("a body of the cluster: %v", refused)
	}

	db.Close()
	for _, err := range ContentDB(t.Context(), db, ContentDBOptions{}) {
		if err == nil {
			t.Error("a closed database has files")
		}
		break
	}
}
