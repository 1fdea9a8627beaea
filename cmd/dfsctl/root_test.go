package main

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestContract holds the names of commands and flags against the contract that
// scripts rely on.
func TestContract(t *testing.T) {
	root := (&app{stdout: bufio.NewWriter(io.Discard), stderr: io.Discard}).command(nil)
	for command, flags := range map[string]string{
		"config show": "origin", "config check": "", "ini dump": "name", "route": "",
		"schema create": "", "schema check": "", "put": "scope datatype mtime", "get": "", "cat": "", "stat": "",
		"ls": "long expired scope", "cp": "", "mv": "", "rm": "recursive", "url": "sign",
		"expire":     "prefix trunk wildcard dirs common suffix",
		"purge":      "scopes expiry iteration-limit iteration-sleep dry-run",
		"clusterize": "scope remove content-db workers", "unclusterize": "skip-scope", "doctor": "write", "version": "",
	} {
		c, rest, err := root.Find(strings.Fields(command))
		if err != nil || len(rest) > 0 {
			t.Errorf("there is no command %q", command)
			continue
		}
		for _, flag := range append(strings.Fields(flags), "settings", "siteaccess", "root", "json", "no-progress", "log-level") {
			if c.Flag(flag) == nil && c.InheritedFlags().Lookup(flag) == nil {
				t.Errorf("%s has no flag --%s", command, flag)
			}
		}
	}
}

// TestHelp: every command says what it does, and runs.
func TestHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.HasParent() && c.RunE == nil {
			t.Errorf("%s has no short help or does nothing", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk((&app{stdout: bufio.NewWriter(io.Discard), stderr: io.Discard}).command(nil))
}
