package settings

import (
	"slices"
	"strings"
	"testing"
)

func TestListenerNames(t *testing.T) {
	for ini, want := range map[string][]string{
		"Listener=eZMemcachedClusterEventListener":                                  nil, // not enabled
		"ClusterEvents=enabled":                                                     nil,
		"ClusterEvents=enabled\nListener=eZMemcachedClusterEventListener":           {"memcached"},
		"ClusterEvents=enabled\nListener=log\nListeners[]=rowcache\nListeners[]=":   {"log", "rowcache"},
		"ClusterEvents=enabled\nListeners[]=webhook\nListeners[]=webhook":           {"webhook"},
		"ClusterEvents=enabled\nListener=memcached\nListeners[]=rowcache\nOther[]=": {"memcached", "rowcache"},
	} {
		s := load(t, map[string]string{"file.ini": "[ClusterEventsSettings]\n" + ini})
		if got := s.ListenerNames(); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", ini, got, want)
		}
	}
}

func TestCheckListeners(t *testing.T) {
	for ini, want := range map[string]string{
		"Listener=MyListener":                           "",
		"ClusterEvents=enabled\nListener=MyListener":    "no listener of ezdfs is called MyListener",
		"ClusterEvents=enabled\nListeners[]=MyListener": `"MyListener" is not one of rowcache`,
	} {
		found := ""
		for _, p := range Check(t.Context(), optionsFor(t, map[string]string{"file.ini": "[ClusterEventsSettings]\n" + ini})) {
			if strings.Contains(p.Message, "listener") || strings.Contains(p.Message, "Listener") {
				found += p.Message
			}
		}
		if want == "" && found != "" || !strings.Contains(found, want) {
			t.Errorf("%q: %q", ini, found)
		}
	}
}

// The servers of memcached come from the legacy's file, or the environment.
func TestMemcachedServers(t *testing.T) {
	files := map[string]string{"memcachedcluster.ini": "[ServerSettings]\nServers[]=one:11211;34\nServers[]=two:11211;66\nConnectionTimeout=500\n"}
	s := load(t, files)
	if want := []string{"one:11211;34", "two:11211;66"}; !slices.Equal(s.Memcached.Servers, want) || s.Memcached.ConnectTimeout.Milliseconds() != 500 {
		t.Errorf("%+v", s.Memcached)
	}
	o := optionsFor(t, files)
	o.Getenv = func(name string) (string, bool) {
		return map[string]string{"DFS_MEMCACHED_SERVERS": "three:1,four:2"}[name], name == "DFS_MEMCACHED_SERVERS"
	}
	s, err := Load(o)
	if want := []string{"three:1", "four:2"}; !slices.Equal(s.Memcached.Servers, want) || err != nil {
		t.Errorf("%q, %v", s.Memcached.Servers, err)
	}
	found := 0
	for _, e := range s.Entries() {
		if strings.HasPrefix(e.Key, "Servers[") && strings.Contains(e.Origin.String(), "DFS_MEMCACHED_SERVERS") {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 servers are shown with their origin", found)
	}
}
