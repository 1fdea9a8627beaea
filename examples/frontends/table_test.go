package frontends

import (
	"bufio"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/ezdfs/gateway/gatewaytest"
)

// difference is a line of testdata/differences.jsonl: in these cases of the
// table these front ends answer otherwise than the gateway. What they answer
// stands there as it does in the table, and is checked.
type difference struct {
	Fronts []string `json:"fronts"`
	Why    string   `json:"why"`
	Cases  []string `json:"cases"` // RFC, section and name

	Status int               `json:"status"`
	Header map[string]string `json:"header"`
	Absent []string          `json:"absent"`
	Body   *string           `json:"body"`
	Slice  []int             `json:"slice"`
}

func differences(t *testing.T) []difference {
	t.Helper()
	f, err := os.Open("testdata/differences.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []difference
	decoder := json.NewDecoder(bufio.NewReader(f))
	decoder.DisallowUnknownFields()
	for decoder.More() {
		var d difference
		if err := decoder.Decode(&d); err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	return list
}

// tables are the front ends that the whole table is sent through.
var tables = map[string]starter{
	"nginx":       startNginx("ezdfs.conf"),
	"nginx-cache": startNginxCache,
	"varnish":     startVarnish,
	"apache":      startApache("ezdfs.conf"),
	"haproxy":     startHAProxy,
}

// settingsOf are the lines of [Gateway] that an example asks for.
var settingsOf = map[string][]string{"haproxy": {"ProxyProtocol=enabled"}}

func TestTableThroughFrontEnds(t *testing.T) {
	for name, start := range tables {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, settingsOf[name]...)
			gatewaytest.Populate(t, s.cluster)
			url := start(t, s, everything)
			t.Run("conformance", func(t *testing.T) { gatewaytest.RunCases(t, url, casesFor(t, name)) })
			// Once more, with whatever a cache kept of it.
			t.Run("again", func(t *testing.T) { gatewaytest.RunCases(t, url, casesFor(t, name)) })
			t.Run("hostile", func(t *testing.T) { gatewaytest.RunHostile(t, url) })
		})
	}
}

// casesFor returns the table with the answers of a front end.
func casesFor(t *testing.T, front string) []gatewaytest.Case {
	t.Helper()
	cases, err := gatewaytest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences(t) {
		for i, c := range cases {
			if slices.Contains(d.Fronts, front) && slices.Contains(d.Cases, c.RFC+" "+c.Name) {
				cases[i].Status, cases[i].Header, cases[i].Absent, cases[i].Body, cases[i].Slice, cases[i].Parts =
					d.Status, d.Header, d.Absent, d.Body, d.Slice, nil
			}
		}
	}
	return cases
}

// TestDifferences: each line has a reason and says something else than the
// table.
func TestDifferences(t *testing.T) {
	cases, err := gatewaytest.Cases()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]gatewaytest.Case{}
	for _, c := range cases {
		byName[c.RFC+" "+c.Name] = c
	}
	for _, d := range differences(t) {
		if len(strings.Fields(d.Why)) < 4 {
			t.Errorf("%q is no reason", d.Why)
		}
		for _, front := range d.Fronts {
			if tables[front] == nil {
				t.Errorf("no front end is named %q", front)
			}
		}
		for _, name := range d.Cases {
			c, ok := byName[name]
			if !ok {
				t.Errorf("the table has no %q", name)
			}
			if c.Status == d.Status && reflect.DeepEqual(c.Header, d.Header) && reflect.DeepEqual(c.Body, d.Body) && reflect.DeepEqual(c.Slice, d.Slice) {
				t.Errorf("%s answers as the table says", name)
			}
		}
	}
}
