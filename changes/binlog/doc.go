// Package binlog reads the change feed from the binary log of MySQL and
// MariaDB: every committed write of the two legacy tables (contract section
// 1), whoever made it, PHP included. It is a [changes.Source], the one that
// needs the server's help: a log in row format and the privilege to read it.
// Where they are missing [Open] says which statement or line would bring them.
//
//	source, err := binlog.Open(ctx, config)
//	if errors.Is(err, changes.ErrUnavailable) {
//		// read the journal instead
//	}
//	defer source.Close()
//	for change, err := range source.Changes(ctx, changes.Newest, true) {
//
// It tells what became of rows: a live one was stored, one that is not live
// was expired, a deleted one was purged; a table that was truncated, dropped
// or renamed was truncated. It does not tell copies from stores, nor families.
// Rows named "….generating" are the locks of the cache generation (contract
// section 3) and no files; they are left out.
//
// A change is told when the row can be seen: servers send a transaction a
// moment before they commit it, too early for whoever reads the row anew.
//
// Positions are GTIDs where the server has them, and so survive a failover;
// otherwise file and offset, together with the server's identity. They count
// rows inside of a transaction: resuming in the middle of one repeats nothing.
//
// With binlog_row_image other than FULL, an update or a deletion may tell the
// hash alone. The name is then looked up where the row still exists. A
// transaction prepared by XA is seen when it is prepared.
package binlog
