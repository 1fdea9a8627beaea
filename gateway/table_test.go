package gateway_test

import (
	"regexp"
	"testing"

	"example.com/ezdfs/gateway"
	"example.com/ezdfs/gateway/gatewaytest"
)

func TestConformance(t *testing.T) {
	c, o := tableCluster(t)
	gatewaytest.Run(t, serve(t, gateway.New(c, o)).URL)
}

func TestHostileRequests(t *testing.T) {
	c, o := tableCluster(t)
	gatewaytest.RunHostile(t, serve(t, gateway.New(c, o)).URL)
}

// TestTables makes sure that the tables say what they are meant to say.
func TestTables(t *testing.T) {
	cases, err := gatewaytest.Cases()
	if err != nil || len(cases) < 120 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	names := map[string]bool{}
	for _, c := range cases {
		if !regexp.MustCompile(`^(9110|9111|9112|3986|6266) \d+(\.\d+)*$`).MatchString(c.RFC) {
			t.Errorf("%s: cites %q", c.Name, c.RFC)
		}
		if names[c.RFC+c.Name] {
			t.Errorf("%s %s stands there twice", c.RFC, c.Name)
		}
		names[c.RFC+c.Name] = true
	}
	if hostile, err := gatewaytest.HostileRequests(); err != nil || len(hostile) < 60 {
		t.Errorf("%d hostile requests, %v", len(hostile), err)
	}
}
