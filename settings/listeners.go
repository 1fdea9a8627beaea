package settings

import (
	"reflect"
	"slices"
	"strings"
)

// legacyListeners are the classes of the known legacy listeners and what
// stands for them here.
var legacyListeners = map[string]string{"eZMemcachedClusterEventListener": "memcached"}

// ListenerNames returns the names of the listeners that are to be told of
// events, in order, once each: none where ClusterEvents is disabled. A PHP class
// of the site's own, which no program in another language can load, is none of
// them.
func (s Settings) ListenerNames() []string {
	if !s.Events.Enabled {
		return nil
	}
	var names []string
	if name, ok := listenerName(s.Events.Listener); ok {
		names = append(names, name)
	}
	for _, name := range s.Events.Listeners {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// listenerName returns our name of the class or listener that Listener may
// name.
func listenerName(name string) (string, bool) {
	if ours, ok := legacyListeners[name]; ok {
		return ours, true
	}
	return name, slices.Contains(listenerWords(), name)
}

// listenerWords are the names that Listeners[] takes.
func listenerWords() []string {
	for f := range (section{fields: reflect.ValueOf(Events{})}).all() {
		if f.key() == "Listeners" {
			return strings.Split(f.tag.Get("oneof"), "|")
		}
	}
	return nil
}

// checkListeners looks at the names of listeners; each knows best what else it
// needs.
func (c *checker) checkListeners() {
	s := c.settings
	if !s.Events.Enabled {
		return
	}
	if name := s.Events.Listener; name != "" {
		if _, ok := listenerName(name); !ok {
			c.add(SeverityWarning, "file.ini", "ClusterEventsSettings", "Listener", "no listener of ezdfs is called "+name+
				": a PHP class is told by PHP alone", "use "+strings.Join(listenerWords(), ", ")+
				" or eZMemcachedClusterEventListener; Listeners[]=webhook can tell a program of your own")
		}
	}
}
