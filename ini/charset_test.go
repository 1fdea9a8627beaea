package ini

import "testing"

func TestCharsets(t *testing.T) {
	for _, test := range []struct{ charset, data, want string }{
		{"utf-8", "\xc3\xa4", "ä"},
		{"UTF8", "\xc3\xa4", "ä"},
		{"iso-8859-1", "\xe4\x80", "ä\u0080"},
		{"ISO-8859-1", "\xe4", "ä"},
		{"iso8859-1", "\xe4\x80", "ä\u0080"},
		{"latin1", "\xe4\x80", "ä\u0080"},
		{"windows-1252", "\x80", "€"},
		{"cp1252", "\x80", "€"},
		{"iso-8859-15", "\xa4", "€"},
		{"iso-8859-9", "\xfd", "ı"},
		{"koi8-r", "\xc1", "а"},
		{"windows-1251", "\xe0", "а"},
		{"shift_jis", "\x82\xa0", "あ"},
	} {
		for _, declaration := range []string{`#?ini charset="` + test.charset + `"?`, `<?php /* #?ini charset=` + test.charset + `?`} {
			doc, err := Parse("x.ini", []byte(declaration+"\n[G]\nKey="+test.data+"\n"))
			if got, _ := doc.Value("G", "Key"); got != test.want || err != nil || len(doc.Warnings) > 0 {
				t.Errorf("%s: %q, want %q (%v, %v)", declaration, got, test.want, err, doc.Warnings)
			}
		}
	}
}

func TestDeclaredCharset(t *testing.T) {
	for line, want := range map[string]string{
		`#?ini charset="utf-8"?`:                     "utf-8",
		`<?php /* #?ini charset="iso-8859-1"? */ ?>`: "iso-8859-1",
		`#?ini encoding="x" charset="utf-8"?`:        "utf-8",
		`#?ini encoding="x"?`:                        "",
		`#?ini charset="utf-8"`:                      "",
		`charset="utf-8"?`:                           "",
		``:                                           "",
	} {
		if got := declaredCharset(line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
