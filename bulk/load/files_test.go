package load

import "testing"

// TestNobodyIsWrongMeanwhile: a read that begins and ends while somebody expires the
// file, or stores it anew, may find it as it was before or after.
func TestNobodyIsWrongMeanwhile(t *testing.T) {
	f := newFiles("var/", 1)
	s := &f.slots[0]
	first := s.begin()
	f.wrote(s, first, nil)
	if before := s.look(); s.mayBe(before, first) != nil || s.mayBeAbsent(before) == nil {
		t.Error("a stored file may be absent, or may not be there")
	}
	s.claim(whatever)
	during := s.look()
	if s.mayBe(during, first) != nil || s.mayBeAbsent(during) != nil {
		t.Error("while it is being expired a file has to be there, or must not be")
	}
	f.expired(s, nil)
	if before := s.look(); s.mayBe(before, first) == nil || s.mayBeAbsent(before) != nil {
		t.Error("an expired file may be there, or may not be absent")
	}
	if s.mayBe(during, first) != nil || s.mayBeAbsent(during) != nil {
		t.Error("what began before it was expired has to find it, or must not")
	}
	second, _ := s.claim(whatever)
	during = s.look()
	if s.mayBe(during, second) != nil || s.mayBeAbsent(during) != nil {
		t.Error("while it is being stored anew a file has to be there, or must not be")
	}
	f.wrote(s, second, nil)
	if before := s.look(); s.mayBe(before, second) != nil || s.mayBe(before, first) == nil || s.mayBeAbsent(before) == nil {
		t.Error("the file is not as it was stored last")
	}
}
