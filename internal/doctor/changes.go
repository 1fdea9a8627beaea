package doctor

import (
	"context"
	"errors"

	"example.com/ezdfs/changes/binlog"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// changesSubject is what findings about the change feed are about.
const changesSubject = "changes"

// examineChanges says where the changes of others would be read, and what
// keeps that from being better. A database that cannot be used at all is found
// by its own probe.
func (o Options) examineChanges(ctx context.Context) []Finding {
	source := o.Settings.Changes.Source
	if source == "none" {
		return []Finding{{Status: OK, Subject: changesSubject, Text: "not read: file.ini [ChangeFeed] has Source=none"}}
	}
	config, err := metadata.ConfigFrom(o.Settings)
	if err != nil {
		return nil
	}
	config.ConnectRetries, config.Logger = 0, o.Logger
	store, err := metadata.Open(ctx, config)
	if err != nil {
		return nil
	}
	defer store.Close()
	var unavailable *binlog.UnavailableError
	if source == "binlog" || source == "auto" && config.Engine == settings.MySQL {
		found, err := o.examineBinlog(ctx, config)
		if !errors.As(err, &unavailable) {
			return found
		}
		if source == "binlog" {
			return []Finding{{Fail, changesSubject, "the binary log cannot be read: " + unavailable.Reason, unavailable.Fix}}
		}
	}
	return journalFindings(ctx, store, unavailable)
}

// examineBinlog opens the binary log as the user that would read it. An error
// is returned for the caller to judge as well.
func (o Options) examineBinlog(ctx context.Context, config metadata.Config) ([]Finding, error) {
	if user := o.Settings.Changes.ReplicationUser; user != "" {
		config.User, config.Password = user, o.Settings.Changes.ReplicationPassword
	}
	source, err := binlog.Open(ctx, config)
	if err != nil {
		return []Finding{{Fail, changesSubject, withoutName("binlog", err), "see [ChangeFeed] of file.ini"}}, err
	}
	defer source.Close()
	var found []Finding
	for _, remark := range source.Remarks() {
		found = append(found, Finding{Warn, changesSubject, remark.Text, remark.Fix})
	}
	return append(found, Finding{Status: OK, Subject: changesSubject, Text: "read from the binary log, PHP's too"}), nil
}

// journalFindings are those where the journal is what there is.
func journalFindings(ctx context.Context, store *metadata.Store, unavailable *binlog.UnavailableError) []Finding {
	there, err := store.HasJournal(ctx)
	switch {
	case err != nil:
		return []Finding{{Fail, changesSubject, withoutName("metadata", err), ""}}
	case !there:
		return []Finding{{Warn, changesSubject, "not recorded: there is no table ezdfs_journal", "create it with dfsctl schema create"}}
	case unavailable != nil:
		return []Finding{{Warn, changesSubject, "read from the journal, which does not see PHP's; the binary log cannot be read: " + unavailable.Reason, unavailable.Fix}}
	}
	return []Finding{{Status: OK, Subject: changesSubject, Text: "read from the journal"}}
}
