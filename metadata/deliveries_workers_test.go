package metadata

import (
	"testing"
	"time"
)

// What a process says takes the place of what it said before; what one says
// that has long said nothing is forgotten.
func TestWorkerReports(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		for _, said := range [][2]string{{"b", "old"}, {"a", `{"x": "50% _"}`}, {"b", "new\nline"}} {
			if err := s.ReportWorker(t.Context(), said[0], said[1]); err != nil {
				t.Fatal(err)
			}
		}
		list, err := s.WorkerReports(t.Context())
		if err != nil || len(list) != 2 || list[0].Name != "a" || list[0].Text != `{"x": "50% _"}` || list[1].Text != "new\nline" || list[1].Age > time.Minute {
			t.Fatalf("%+v, %v", list, err)
		}
		if err := s.ForgetWorker(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		err = s.Update(t.Context(), func(tx *Tx) error { return tx.putState(stateWorker+"b", "1000 long ago") })
		if err != nil {
			t.Error(err)
		}
		if list, err := s.WorkerReports(t.Context()); err != nil || len(list) != 1 || list[0].Age < 24*time.Hour {
			t.Errorf("%+v, %v", list, err)
		}
		if err := s.ReportWorker(t.Context(), "c", ""); err != nil {
			t.Error(err)
		}
		if list, err := s.WorkerReports(t.Context()); err != nil || len(list) != 1 || list[0].Name != "c" || list[0].Text != "" {
			t.Errorf("%+v, %v", list, err)
		}
	})
}
