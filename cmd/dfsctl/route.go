package main

import (
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/dispatcher"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func newRoute(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "route PATH...", Short: "Tell where paths go", Args: arguments(1, -1),
		Long: `Tell the backend of each path, the rule that sends it there and the table of its
row. This is the settings' word alone: nothing is opened, and the path need not
exist. With --json one document a line; the rule of the default backend is null.`,
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			routes, err := routesOf(s, args)
			if err != nil {
				return err
			}
			return a.printRoutes(routes)
		},
	}
}

// route is where a path goes.
type route struct {
	Name    string  `json:"name"`
	Backend string  `json:"backend"`
	Rule    *string `json:"rule"` // its prefix, null for the default
	Origin  string  `json:"origin,omitempty"`
	Table   string  `json:"table"`
}

func routesOf(s settings.Settings, paths []string) ([]route, error) {
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		return nil, &usageError{err}
	}
	router, fallback, err := cluster.NewRouter(s)
	if err != nil {
		return nil, &usageError{err}
	}
	_, rules, _ := s.Routing()
	var routes []route
	for _, path := range paths {
		name, err := metadata.CleanName(path)
		if err != nil {
			return nil, err
		}
		r := route{Name: name, Backend: fallback, Table: config.Layout.Table(name)}
		if i := router.Lookup(name); i != dispatcher.DefaultRule {
			r.Backend, r.Rule, r.Origin = rules[i].Backend, &rules[i].Prefix, rules[i].Origin.String()
		}
		routes = append(routes, r)
	}
	return routes, nil
}

func (a *app) printRoutes(routes []route) error {
	if a.json {
		for _, r := range routes {
			if err := a.printJSON(r); err != nil {
				return err
			}
		}
		return nil
	}
	var rows []table.Row
	for _, r := range routes {
		rows = append(rows, table.Row{r.Name, r.Backend, ruleText(r.Rule, r.Origin), r.Table})
	}
	a.printTable(table.Row{"path", "backend", "rule", "table"}, rows)
	return nil
}

// ruleText names a rule for people.
func ruleText(prefix *string, origin string) string {
	if prefix == nil {
		return "none (default backend)"
	}
	return *prefix + " (" + origin + ")"
}
