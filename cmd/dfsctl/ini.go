package main

import (
	"github.com/spf13/cobra"

	"example.com/ezdfs/ini"
)

func newIni(a *app) *cobra.Command {
	return group("ini", "Show INI files as the cluster reads them", newIniDump(a))
}

func newIniDump(a *app) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "dump FILE | dump --name NAME", Short: "Print an INI file as JSON", Args: arguments(0, 1),
		Long: `Print one INI file as JSON, or with --name what all files of that name in the
settings directory say together:

  {"Group": {"Key": "value", "List": {"array": [[0, "value"], ["sub", "value"]]}}}

Integer keys are numbers, entries stand in order. Lines that cannot be applied
are reported, and the exit code is 2; the rest is printed all the same.`,
		RunE: func(_ *cobra.Command, args []string) error {
			doc, err := a.readINI(name, args)
			if doc == nil {
				return &usageError{err}
			}
			for _, warning := range doc.Warnings {
				a.note("warning: %v", warning)
			}
			text, jsonErr := doc.MarshalJSON()
			if jsonErr != nil {
				return jsonErr
			}
			a.printf("%s\n", text)
			if err != nil {
				return &usageError{err}
			}
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "", "`NAME` of an INI file in the settings directory, such as file.ini")
	return c
}

// readINI reads the file that is given, or the cascade of the name.
func (a *app) readINI(name string, args []string) (*ini.Document, error) {
	switch {
	case name == "" && len(args) == 1:
		return ini.ParseFile(args[0])
	case name != "" && len(args) == 0:
		doc, err := ini.Load(a.source(), name)
		if doc == nil && err != nil {
			err = a.wrongSettings(err)
		}
		return doc, err
	}
	return nil, usagef("give either a FILE or --name NAME")
}
