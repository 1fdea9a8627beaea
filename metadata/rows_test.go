package metadata

import (
	"errors"
	"io/fs"
	"testing"
)

func TestGet(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		want := Row{Name: "var/s/storage/images/ü 😀.png", Trunk: "var/s/storage/images/ü 😀.png", DataType: "image/png",
			Scope: "image", Size: 1 << 40, MTime: 1_700_000_000}
		put(t, s, want)
		got, err := s.Get(t.Context(), want.Name)
		want.Table = StorageTable
		if err != nil || got != want {
			t.Fatalf("Get = %+v, %v; want %+v", got, err, want)
		}
		if _, err := s.Get(t.Context(), "var/s/none"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("Get of nothing: %v", err)
		}
		n, err := s.ExpirePrefix(t.Context(), "var/s/storage/")
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
		got, err = s.Get(t.Context(), want.Name)
		if err != nil || got.Live() || got.MTime != -want.MTime {
			t.Fatal(got, err)
		}
		for r, err := range s.Rows(t.Context(), Filter{Prefix: "var/"}) {
			t.Log(r, err)
		}
		t.Log(s.ExpireTrunk(t.Context(), want.Trunk))
		t.Log(s.ExpireWildcard(t.Context(), "var/*/{a,storage}/*.p?g"))
		t.Log(s.Expire(t.Context(), want.Name))
	})
}
