package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/events/webhook"
)

// A sender, and a receiver that believes nobody else.
func Example() {
	ctx := context.Background()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := webhook.Verify("s3cret", r.Header, body, time.Now(), 5*time.Minute); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		fmt.Println("received", r.Header.Get("Content-Type"))
	}))
	defer receiver.Close()

	listener, err := webhook.New(webhook.Options{URL: receiver.URL, Secret: "s3cret", Host: "web1"})
	if err != nil {
		panic(err)
	}
	hub := events.New([]events.Listener{listener}, events.Options{})
	hub.Publish(events.Event{Kind: events.DeleteFile, Subject: "var/site/storage/a.png"})
	fmt.Println(hub.Close(ctx))
	// Output:
	// received application/json
	// <nil>
}
