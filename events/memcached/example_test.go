package memcached_test

import (
	"context"
	"fmt"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/events/memcached"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// A hub asks memcached for rows before the database. Where memcached is down,
// as here, everything works without it.
func ExampleNew() {
	listener, err := memcached.New(settings.Memcached{
		Servers: []string{"127.0.0.1:1;1"}, PrefixKey: "site_", SharedWithPHP: true,
		ConnectTimeout: time.Second, Timeout: 100 * time.Millisecond, TTL: time.Hour,
	}, memcached.Options{Layout: metadata.Layout{CacheDir: "cache", StorageDir: "storage"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	hub := events.New([]events.Listener{listener}, events.Options{})
	defer hub.Close(ctx)

	row, err := hub.Load(ctx, "var/site/storage/a.png", func(context.Context) (metadata.Row, error) {
		return metadata.Row{Name: "var/site/storage/a.png", Size: 12}, nil // from the database
	})
	fmt.Println(row.Size, err)

	_, err = memcached.New(settings.Memcached{Servers: []string{"cache.example.com"}}, memcached.Options{})
	fmt.Println(err)
	// Output:
	// 12 <nil>
	// memcachedcluster.ini [ServerSettings] Servers[]=cache.example.com: is not host:port; write host:port or host:port;weight
}
