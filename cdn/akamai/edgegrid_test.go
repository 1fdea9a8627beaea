package akamai

import (
	"net/http"
	"strings"
	"testing"
)

// Akamai's own vectors, from the test data of its clients, as far as they sign
// no headers: akamai/AkamaiOPEN-edgegrid-python, akamai/edgegrid/test/testdata.json.
func TestPublishedVectors(t *testing.T) {
	s := signer{credentials: credentials{
		host:        "akaa-baseurl-xxxxxxxxxxx-xxxxxxxxxxxxx.luna.akamaiapis.net",
		clientToken: "akab-client-token-xxx-xxxxxxxxxxxxxxxx", accessToken: "akab-access-token-xxx-xxxxxxxxxxxxxxxx",
		clientSecret: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=",
	}}
	const timestamp, nonce = "20140321T19:34:21+0000", "nonce-xx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if got, want := mac(s.clientSecret.Reveal(), timestamp), "znsRMDBRqTXGJ7Ojip3/h2FGPu3LuoMYWgv9PKEnE/o="; got != want {
		t.Errorf("signing key %s, want %s", got, want)
	}
	for _, test := range []struct{ name, method, path, body, signature string }{
		{"GET", "GET", "/", "", "tL+y4hxyHxgWVD30X3pWnGKHcPzmrIF+LThiAOhMxYU="},
		{"query", "GET", "/testapi/v1/t1?p1=1&p2=2", "", "hKDH1UlnQySSHjvIcZpDMbQHihTQ0XyVAKZaApabdeA="},
		{"POST", "POST", "/testapi/v1/t3", strings.Repeat("data", 8), "hXm4iCxtpN22m4cbZb4lVLW5rhX8Ca82vCFqXzSTPe4="},
		{"empty POST", "POST", "/testapi/v1/t6", "", "1gEDxeQGD5GovIkJJGcBaKnZ+VaPtrc4qBUHixjsPCQ="},
		{"PUT", "PUT", "/testapi/v1/t6", strings.Repeat("P", 31), "GNBWEYSEWOLtu+7dD52da2C39aX/Jchpon3K/AmBqBU="},
	} {
		req, err := http.NewRequest(test.method, "https://"+s.host+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := "EG1-HMAC-SHA256 client_token=akab-client-token-xxx-xxxxxxxxxxxxxxxx;access_token=akab-access-token-xxx-xxxxxxxxxxxxxxxx;" +
			"timestamp=" + timestamp + ";nonce=" + nonce + ";signature=" + test.signature
		if got := s.authorization(req, []byte(test.body), timestamp, nonce); got != want {
			t.Errorf("%s:\n%s, want\n%s", test.name, got, want)
		}
	}
}
