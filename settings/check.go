package settings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"example.com/ezdfs/ini"
)

// Severity grades a Problem.
type Severity string

// The severities. An error keeps the cluster, or a rule of it, from doing what
// the settings say; a warning may be meant.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Problem is something wrong with the settings.
type Problem struct {
	Severity Severity `json:"severity"`
	Origin   Origin   `json:"origin"` // empty where a default is wrong for this site
	Group    string   `json:"group,omitempty"`
	Key      string   `json:"key,omitempty"`
	Message  string   `json:"message"`
	Fix      string   `json:"fix,omitempty"` // "" where the message says it
}

// String is the problem on one line.
func (p Problem) String() string {
	msg := string(p.Severity) + ": "
	if p.Origin != (Origin{}) {
		msg += p.Origin.String() + ": "
	}
	if p.Key != "" {
		msg += "[" + p.Group + "] " + p.Key + ": "
	}
	msg += p.Message
	if p.Fix != "" {
		msg += "; " + p.Fix
	}
	return msg
}

// Check lists everything wrong with the settings of a site, errors first, as
// far as files and directories tell it; it reaches no database and no bucket.
// A mount that does not answer before ctx is done is a problem too. What changes
// the settings once they are loaded, such as the constants of a config.php, is
// told by changes.
func Check(ctx context.Context, opts Options, changes ...func(*Settings)) []Problem {
	c := &checker{ctx: ctx, loader: newLoader(opts)}
	c.load()
	for _, change := range changes {
		change(&c.settings)
	}
	return c.check()
}

// checker collects problems of what its loader has read.
type checker struct {
	*loader
	ctx      context.Context
	problems []Problem
}

// check runs every check.
func (c *checker) check() []Problem {
	for _, err := range c.errs {
		c.problems = append(c.problems, problemOf(err))
	}
	if len(c.docs) > 0 {
		for _, check := range []func(){
			c.checkWarnings, c.checkNames, c.checkValues, c.checkSite, c.checkDatabase,
			c.checkMounts, c.checkBuckets, c.checkSharedStores, c.checkTrash, c.checkRules, c.checkMigrations, c.checkListeners, c.checkGateway, c.checkTargets, c.checkSecretFiles, c.checkCDN,
		} {
			check()
		}
	}
	slices.SortStableFunc(c.problems, func(a, b Problem) int { return cmp.Compare(a.Severity, b.Severity) })
	return c.problems
}

// problemOf turns an error of the loader into a Problem.
func problemOf(err error) Problem {
	p := Problem{Severity: SeverityError, Message: err.Error()}
	var line *ini.LineError
	var value *ValueError
	var path *fs.PathError
	switch {
	case errors.As(err, &line):
		p.Origin, p.Group, p.Key, p.Message = fileOrigin(line.Origin), line.Group, line.Key, line.Reason
	case errors.As(err, &value):
		p.Origin, p.Group, p.Key, p.Message = value.Origin, value.Group, value.Key, value.Reason
	case errors.As(err, &path):
		p.Origin, p.Message = Origin{File: path.Path}, fmt.Sprintf("cannot be read: %v", path.Err)
	}
	return p
}

// add reports a problem of a setting in one of the groups that every site has.
func (c *checker) add(severity Severity, file, group, key, message, fix string) {
	c.problems = append(c.problems, Problem{severity, c.settings.originOf(file, group, key), group, key, message, fix})
}

// addInstance reports a problem of a setting of an instance.
func (c *checker) addInstance(severity Severity, s section, key, message, fix string) {
	c.add(severity, s.file, s.group, key, message, fix)
}

// checkWarnings passes on what the INI files were warned of.
func (c *checker) checkWarnings() {
	for _, file := range files() {
		if doc := c.docs[file]; doc != nil {
			for _, warning := range doc.Warnings {
				p := problemOf(warning)
				p.Severity = SeverityWarning
				c.problems = append(c.problems, p)
			}
		}
	}
}

// severityOf grades a problem that keeps an instance from working: it matters
// where the routing uses the instance.
func (c *checker) severityOf(instance string) Severity {
	if c.settings.routed()[instance] {
		return SeverityError
	}
	return SeverityWarning
}
