package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/webhook"
	verify "example.com/ezdfs/events/webhook"
	"example.com/ezdfs/settings"
)

// A receiver that believes nobody else, and takes a part of what it is sent.
func ExampleTarget() {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := verify.Verify("s3cret", r.Header, body, time.Now(), 5*time.Minute); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		fmt.Fprint(w, `{"results": [{"id": "2", "status": "retry", "reason": "the zone is locked", "retry_after": 30}]}`)
	}))
	defer receiver.Close()

	target, err := webhook.New(settings.WebhookTarget{Name: "webhook:purger", URL: receiver.URL, Secret: "s3cret"})
	if err != nil {
		panic(err)
	}
	defer target.Close()
	for _, err := range target.Deliver(context.Background(), []cdn.Item{
		{ID: "1", Action: cdn.Invalidate, Extent: cdn.Path, Subject: "var/site/storage/a.png"},
		{ID: "2", Action: cdn.Invalidate, Extent: cdn.Path, Subject: "var/site/storage/b.png"},
	}) {
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// webhook:purger: unavailable: the zone is locked
}
