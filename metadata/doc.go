// Package metadata holds what the cluster knows about its files: the rows of
// the two legacy tables (contract section 1), in MySQL or MariaDB, which PHP
// frontends share, or in SQLite, for a single host.
//
// The package knows rows, locks and transactions. It does not know bodies: the
// order in which a row and its body change is package cluster's business. Nor
// does it ever alter a legacy table: whatever schema an installation has, of
// whatever age, is used as it is, and [Store.CheckSchema] says what it lacks.
//
// A [Store] answers reads at once and does every change in one transaction:
//
//	row, err := store.Get(ctx, "var/site/storage/images/a.png")
//	if errors.Is(err, fs.ErrNotExist) || !row.Live() {
//		// there is no such file
//	}
//	err = store.Update(ctx, func(tx *metadata.Tx) error {
//		if err := tx.Upsert(row); err != nil { // holds the row until the commit
//			return err
//		}
//		if err := tx.Pin(); err != nil { // what follows cannot be undone
//			return err
//		}
//		if err := staged.Publish(ctx); err != nil {
//			return err
//		}
//		return tx.Record(metadata.Change{Kind: metadata.KindStore, Subject: row.Name})
//	})
//
// Names are found and compared by the MD5 of their bytes, never by the
// collation of a column, under which "A.png" equals "a.png" and "a " equals
// "a".
package metadata
