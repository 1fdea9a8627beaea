package main

import (
	"github.com/spf13/cobra"

	"example.com/ezdfs/metadata"
)

func newStat(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "stat PATH", Short: "Show the row of a file", Args: arguments(1, 1),
		Long: "Show the row of the file at PATH, its backend and the rule that sends it there.\nAn expired row is shown too, as long as it is not purged.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withCluster(cmd.Context(), func(s session) error {
				row, err := s.Stat(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.printStat(s, row)
			})
		},
	}
}

// statJSON is a row with the rule of its path.
type statJSON struct {
	rowJSON
	Rule *string `json:"rule"`
}

func (a *app) printStat(s session, row metadata.Row) error {
	routes, err := routesOf(s.settings, []string{row.Name})
	if err != nil {
		return err
	}
	r := s.row(row)
	if a.json {
		return a.printJSON(statJSON{r, routes[0].Rule})
	}
	state := "no"
	if r.Expired {
		state = "yes"
	}
	for _, line := range []struct {
		key   string
		value any
	}{
		{"name", r.Name}, {"size", r.Size}, {"mtime", date(row.ModTime())}, {"expired", state},
		{"scope", r.Scope}, {"datatype", r.DataType}, {"backend", r.Backend},
		{"rule", ruleText(routes[0].Rule, routes[0].Origin)}, {"table", r.Table},
		{"name_trunk", r.Trunk}, {"name_hash", r.Hash},
	} {
		a.printf("%-11s %v\n", line.key+":", line.value)
	}
	return nil
}
