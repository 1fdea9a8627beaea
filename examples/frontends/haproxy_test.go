package frontends

import "testing"

// TestHAProxyUsesUnreadyGateways: the check decides who is asked, but while no
// gateway is ready they serve what they know.
func TestHAProxyUsesUnreadyGateways(t *testing.T) {
	s, unready := newStack(t, settingsOf["haproxy"]...), newStack(t, settingsOf["haproxy"]...)
	s.store(t, images+"a", "ready")
	unready.store(t, images+"a", "unready")
	url := startHAProxy(t, s, replacement{"inter 2s fall 2", "inter 50ms fall 2"},
		replacement{"server gateway1-unready 127.0.0.1:8080", "server gateway1-unready " + unready.gatewayAddr})
	for _, ready := range []bool{true, false, true} {
		s.ready.Store(ready)
		want := map[bool]string{true: "ready", false: "unready"}[ready]
		eventually(t, "a "+want+" gateway answers", func() bool {
			a := ask(t, "GET", url+"/"+images+"a")
			if a.StatusCode != 200 {
				t.Fatalf("%d %q", a.StatusCode, a.body)
			}
			return a.body == want
		})
	}
}
