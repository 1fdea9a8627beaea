package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/settings"
)

// A program opens a cluster and serves it on a path and port of its own.
func ExampleNew() {
	ctx := context.Background()
	s, err := settings.Load(settings.Options{Root: "/var/www/site"})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := cluster.Open(ctx, s)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	options, err := gateway.OptionsFrom(s)
	if err != nil {
		fmt.Println(err)
		return
	}
	http.Handle("/var/", gateway.New(c, options))
	fmt.Println(http.ListenAndServe("127.0.0.1:8080", nil))
}

func ExampleHandler() {
	server := httptest.NewServer(gateway.New(fakeFile("hello, cluster"), gateway.Options{MaxAge: time.Hour}))
	defer server.Close()

	r, err := http.NewRequest("GET", server.URL+"/var/storage/a", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Header.Set("Range", "bytes=-7")
	r.Header.Set("If-Range", `"another body's"`)
	answer, err := server.Client().Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Println(answer.Status, answer.Header.Get("ETag"), answer.Header.Get("Cache-Control"))
	fmt.Printf("%s %v\n", body, err)

	// Output:
	// 200 OK "1700000000-14" max-age=3600
	// hello, cluster <nil>
}

func ExampleSignPath() {
	fmt.Println(gateway.SignPath("0123456789abcdef", "var/storage/private/a b.pdf", time.Unix(1_800_000_000, 0)))
	// Output:
	// /var/storage/private/a%20b.pdf?expires=1800000000&signature=IJbtXkyOs7mmkCzTvXZGCNHKZcJApvzzUhLwqHd7JC0
}
