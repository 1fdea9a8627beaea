package phpconfig

import "testing"

func TestAccessors(t *testing.T) {
	for _, test := range []struct {
		value        any
		text, number string // "" for an error
		truth        string
	}{
		{"text", "text", "", ""}, {"", "", "", "false"}, {"12", "12", "12", ""}, {" 12\t", " 12\t", "12", ""},
		{"1", "1", "1", "true"}, {"0", "0", "0", "false"}, {int64(1), "1", "1", "true"}, {int64(0), "0", "0", "false"},
		{int64(-7), "-7", "-7", ""}, {1.5, "", "", ""}, {true, "", "", "true"}, {false, "", "", "false"}, {nil, "", "", "false"},
		{"false", "false", "", ""}, {"0x10", "0x10", "", ""}, {"9223372036854775808", "9223372036854775808", "", ""},
	} {
		k := Constant{Name: "K", Value: test.value}
		text, _ := k.Text()
		if text != test.text {
			t.Errorf("%#v as text: %q", test.value, text)
		}
		number := ""
		if n, err := k.Int(); err == nil {
			number, _ = Constant{Value: n}.Text()
		}
		if number != test.number {
			t.Errorf("%#v as a number: %q", test.value, number)
		}
		truth := ""
		if b, err := k.Bool(); err == nil {
			truth = map[bool]string{true: "true", false: "false"}[b]
		}
		if truth != test.truth {
			t.Errorf("%#v as a truth value: %q", test.value, truth)
		}
	}
	_, err := Constant{Name: "K"}.Text()
	if err == nil || err.Error() != "default: K: is null; write a string in quotes" {
		t.Errorf("null as text: %v", err)
	}
}

func TestLookup(t *testing.T) {
	config, _, err := read(t, "<?php define('A', 1); define('B', $x); define('C', null);")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"A": true, "a": false, "B": false, "C": true, "D": false} {
		if _, ok := config.Lookup(name); ok != want {
			t.Errorf("%s: %v", name, ok)
		}
	}
	if list := config.Constants(); len(list) != 2 || list[0].Name != "A" || list[1].Name != "C" {
		t.Errorf("%v", list)
	}
	if _, ok := (Config{}).Lookup("A"); ok {
		t.Error("of nothing")
	}
}
