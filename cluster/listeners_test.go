package cluster

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
)

// TestWebhookTellsTheHost: whoever receives events of several hosts can tell
// from which they came.
func TestWebhookTellsTheHost(t *testing.T) {
	hosts := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct{ Host string }
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			t.Error(err)
		}
		hosts <- message.Host
	}))
	defer receiver.Close()
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	s.Events.Enabled, s.Events.Listener, s.Webhook.URL = true, "webhook", receiver.URL
	open(t, s).mustStore(t, "var/site/storage/a", "a")
	if want, err := os.Hostname(); err != nil || want == "" {
		t.Skip("this host has no name")
	} else if got := <-hosts; got != want {
		t.Errorf("host %q, want %q", got, want)
	}
}
