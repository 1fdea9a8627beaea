package main

import (
	"github.com/spf13/cobra"

	"example.com/ezdfs/metadata"
)

func newSchema(a *app) *cobra.Command {
	return group("schema", "Create or check the tables", newSchemaCreate(a), newSchemaCheck(a))
}

func newSchemaCreate(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "create", Short: "Create the tables that are missing", Args: arguments(0, 0),
		Long: `Create the tables that do not exist, the two of the legacy and our own
(ezdfs_journal, ezdfs_state, ezdfs_cdn_delivery, ezdfs_migration,
ezdfs_migration_range and ezdfs_trash), and list all of them. Those that exist
stay as they are, but for an index that one of ours lacks. An SQLite file that does not exist is created too, a MySQL database is not.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDatabase(cmd.Context(), true, func(store *metadata.Store) error {
				if err := store.CreateSchema(cmd.Context()); err != nil {
					return err
				}
				tables := store.Tables()
				if a.json {
					return a.printJSON(map[string][]string{"tables": tables})
				}
				for _, table := range tables {
					a.printf("table %s is there\n", table)
				}
				return nil
			})
		},
	}
}

func newSchemaCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "List what the tables lack", Args: arguments(0, 0),
		Long: `List what is missing, unusable or slow about the tables, each with what to do.
Tables of any age are used as they are. The exit code is 4 when anything is
listed, be it a warning.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDatabase(cmd.Context(), false, func(store *metadata.Store) error {
				found, err := store.CheckSchema(cmd.Context())
				if err != nil {
					return err
				}
				return a.printSchema(found)
			})
		},
	}
}

func (a *app) printSchema(found []metadata.Problem) error {
	if a.json {
		if err := a.printJSON(append([]metadata.Problem{}, found...)); err != nil {
			return err
		}
	} else {
		for _, p := range found {
			a.printf("%s\n", p)
		}
	}
	return countFound(found, func(p metadata.Problem) bool { return p.Severity == metadata.SeverityError })
}
