// Package migrate moves the bodies of a prefix from one store to another while
// the cluster serves and changes them. It is the engine of dfsctl migrate; what
// readers and writers do meanwhile is the dispatcher's ([dispatcher.Migration]).
//
//	m, err := migrate.New(c, "var/site/storage/images", "nfs", "s3", migrate.Options{})
//	...
//	counts, err := m.Copy(ctx)   // resumes what was interrupted, on this host or another
//	counts, err = m.Verify(ctx)  // every live row has its body on the new store
//	counts, err = m.DeleteSource(ctx)
//
// It does not touch the settings: rules are the administrator's.
//
// # What holds at every moment
//
// Two lines of the settings say that two stores share a prefix:
// PathBackends[prefix] names the first, where bodies are written, and
// MigrateFrom[prefix] the second. Of every path below the prefix
//
//   - the first store's body is the right one, where there is one;
//   - the second store holds the same body, or none that is older than the
//     first's, or the only one.
//
// Writers keep that up, since publishing on the first store deletes on the
// second under the lock of the row; so do deletions, the second store first; and
// so does this package, which copies under the lock, too. It follows that the
// two lines can be turned round at any time, host by host, and that a rollback
// is a migration in the other direction.
//
// # How one file is copied
//
// The body is staged on the target without any lock, whatever that takes. Then
// the row is locked (of small files up to a hundred in one transaction), and
// under the lock it has to be live still, the source has to hold the very body
// that was staged, and the target none; only then the copy is published. Writers
// of the path, ours and PHP's, wait for the moment that this takes. A file that
// changed meanwhile is looked at anew. The target refuses to replace a body by
// itself where it can (a conditional PUT on S3), which also covers a database
// that dies while a request is under way and takes the lock with it.
//
// A body keeps its modification time, and its type where the store keeps one.
// Its length is always compared. S3 compares the CRC32 and GCS the CRC32C of what
// it receives with what was read. Verify compares every row with what the target
// holds, with VerifyContents byte by byte.
//
// # How it resumes, and how hosts share it
//
// The rows of both tables are split into ranges of name_hash, 256 of them where there
// are many. A range is
// leased to one worker at a time, and its position and counts are written in the
// very transaction that holds the locks of the files they are about: whoever is
// killed loses only time, no file is counted twice. A range whose lease is over
// goes to whoever comes first. A store or database that does not answer is
// waited for, fifteen minutes at most. Expired files are not copied: readers of
// an expired file find it on the old store until its source is deleted.
//
// # The order of steps
//
// For a cluster in which only this program writes below the prefix, or PHP can do
// without writing there until the migration is finished:
//
//  1. Write both lines, PathBackends[prefix]=NEW and MigrateFrom[prefix]=OLD, into
//     the settings of every host and restart what reads them. While the hosts
//     change one by one those that are still without the lines see outdated
//     bodies, or none, of what the others have written. Where that matters, let
//     all hosts have PathBackends[prefix]=OLD and MigrateFrom[prefix]=NEW first, and
//     turn the two lines round in a second step: then every host finds everything
//     at any moment.
//  2. dfsctl migrate PREFIX --from OLD --to NEW, on one host or several.
//  3. The same with --finish verifies all of it, removes what the old store holds
//     where --delete-source asks for that, and removes the line MigrateFrom from
//     the settings of its host.
//  4. Then the line can go on all other hosts. What the old store holds by then is
//     removed by dfsctl check --delete.
//
// PHP's dispatcher asks one store for a path and knows no second. With the new
// rule it does not find what was not copied yet; with the old one it does not
// find what was written to the new store, and what it overwrites on the old store
// nobody sees. So where PHP writes below the prefix, or must read all of it:
//
//  1. Give the hosts PathBackends[prefix]=OLD and MigrateFrom[prefix]=NEW. Nothing
//     changes for PHP, and for us only that whatever we write or delete on the old
//     store goes from the new one.
//  2. dfsctl migrate PREFIX --from OLD --to NEW --ahead copies everything while
//     everybody goes on working with the old store.
//  3. Keep PHP from writing below the prefix (editing is what writes there) and
//     run the same command again. It compares all files and copies those that PHP
//     has changed since: minutes instead of days.
//  4. Turn the two lines round on all hosts, PHP's settings being the same files,
//     and let PHP write again: all it wants to read is on the new store.
//  5. dfsctl migrate PREFIX --from OLD --to NEW, then --finish, as above.
//
// In no order PHP can go on writing all the time: between its last look at the old
// store and its first at the new one somebody has to copy what it wrote.
//
// # Going back
//
// dfsctl migrate PREFIX --from OLD --to NEW --rollback copies what was written to
// the new store back to the old one, ahead; then the two lines are turned round, and
// the same command without --rollback but with --from NEW --to OLD copies what
// was written in between.
//
// # What is left
//
// A writer that could not delete on the second store because that was down leaves
// an outdated body there. Nobody sees it as long as the first store's is there,
// and a copy in the other direction replaces it, since it compares: so roll back
// with --rollback, never by turning the lines round alone.
//
// Of a body that somebody has stored on the old store by rules without the two
// lines nobody else hears. A copy, a verification and the deletion of the source
// notice it where it is newer than what the new store holds, and leave both as they
// are.
//
// A request of a worker that is killed, or whose database dies, can land after
// its locks are gone. Where the target creates on condition it never replaces
// anything; of a file that was purged in that moment it leaves a body without a
// row, which dfsctl check finds. Elsewhere (NFS, GCS) it could bring an older body
// back in the few milliseconds that a publication takes, as any writer's could.
//
// [dispatcher.Migration]: example.com/ezdfs/dispatcher
package migrate
