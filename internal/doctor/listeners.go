package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"example.com/ezdfs/events/memcached"
	"example.com/ezdfs/events/webhook"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/localcache"
	"example.com/ezdfs/settings"
)

// auxiliary is a service that a cluster can do without, but that was asked for:
// a listener, or the local copies.
type auxiliary struct {
	name        string
	file, group string
	// open finds what is wrong with the settings, without reaching anything,
	// and returns how to reach it.
	open func() (ping func(context.Context) error, err error)
}

// auxiliaries are those that the settings name.
func auxiliaries(s settings.Settings) []auxiliary {
	var list []auxiliary
	for _, name := range s.ListenerNames() {
		switch name {
		case "memcached":
			list = append(list, auxiliary{name, "memcachedcluster.ini", "ServerSettings", func() (func(context.Context) error, error) {
				l, err := memcached.New(s.Memcached, memcached.Options{})
				if err != nil {
					return nil, err
				}
				return func(ctx context.Context) error { return errors.Join(l.Ping(ctx), l.Close()) }, nil
			}})
		case "webhook":
			list = append(list, auxiliary{name, "file.ini", "Webhook", func() (func(context.Context) error, error) {
				l, err := webhook.New(webhook.Options{URL: s.Webhook.URL, Timeout: s.Webhook.Timeout})
				if err != nil {
					return nil, err
				}
				return func(ctx context.Context) error { return errors.Join(l.Ping(ctx), l.Close()) }, nil
			}})
		}
	}
	if s.LocalCache.Directory != "" {
		list = append(list, auxiliary{"local copies", "file.ini", "LocalCache", func() (func(context.Context) error, error) {
			var mounts []string
			for _, tree := range s.NFS {
				mounts = append(mounts, tree.MountPointPath)
			}
			err := localcache.Check(localcache.Options{Dir: s.LocalCache.Directory, Root: s.Root, Mounts: mounts})
			return func(context.Context) error { return nil }, err
		}})
	}
	return list
}

// WrongSettings lists what only those can tell who use the settings: listeners,
// local copies and a gateway that cannot work as they are set. It reaches none
// of them.
func WrongSettings(s settings.Settings) []settings.Problem {
	var found []settings.Problem
	add := func(group string, err error) {
		if err != nil {
			found = append(found, settings.Problem{Severity: settings.SeverityError, Group: group, Message: err.Error()})
		}
	}
	for _, a := range auxiliaries(s) {
		_, err := a.open()
		add(a.group, err)
	}
	_, err := gateway.OptionsFrom(s)
	add("Gateway", err)
	_, err = server.OptionsFrom(s)
	add("Gateway", err)
	return found
}

// examine opens and reaches the service. What is wrong with its settings is
// among the findings about those.
func (a auxiliary) examine(ctx context.Context) []Finding {
	ping, err := a.open()
	if err != nil {
		return nil
	}
	if err := ping(ctx); err != nil {
		text := strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), a.name+": ")), " ")
		return []Finding{{Fail, a.name, text, fmt.Sprintf("see [%s] of %s; until it works nothing fails, but it hears of no change", a.group, a.file)}}
	}
	return []Finding{{Status: OK, Subject: a.name, Text: "usable"}}
}
