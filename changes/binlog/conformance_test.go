package binlog

import (
	"testing"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/changestest"
	"example.com/ezdfs/metadata"
)

func TestConformance(t *testing.T) {
	changestest.Run(t, func(t *testing.T) changestest.Fixture {
		config := metadata.Config{
			Engine: metadata.MySQL, Name: own.Database(t), Socket: own.Socket(), User: "root",
			Layout: testLayout, ConnectRetries: 20, ExecuteRetries: 20,
		}
		store, err := metadata.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		if err := store.CreateSchema(t.Context()); err != nil {
			t.Fatal(err)
		}
		return changestest.Fixture{
			Store:  store,
			Open:   func(t *testing.T) changes.Source { return (&site{MariaDB: own, config: config}).open(t) },
			Outage: func(t *testing.T) { own.Kill(); own.Start(t) },
		}
	})
}
