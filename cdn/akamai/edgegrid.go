package akamai

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// signer makes EdgeGrid signatures, EG1-HMAC-SHA256 (Akamai Developer, "Build
// your own EdgeGrid client" and "Authenticate with EdgeGrid").
type signer struct {
	credentials
	now func() time.Time
}

// maxHashed is how much of a body is part of the signature. No body of ours
// is longer.
const maxHashed = 131_072

// timeLayout is that of the timestamp, in UTC.
const timeLayout = "20060102T15:04:05+0000"

// sign adds the header Authorization to a request with a body. None of our
// headers is part of the signature: none is asked for by the API.
func (s signer) sign(req *http.Request, body []byte) {
	var random [16]byte
	rand.Read(random[:])
	req.Header.Set("Authorization", s.authorization(req, body, s.now().UTC().Format(timeLayout), hex.EncodeToString(random[:])))
}

// authorization is the header's value.
func (s signer) authorization(req *http.Request, body []byte, timestamp, nonce string) string {
	header := "EG1-HMAC-SHA256 client_token=" + s.clientToken.Reveal() + ";access_token=" + s.accessToken.Reveal() +
		";timestamp=" + timestamp + ";nonce=" + nonce + ";"
	key := mac(s.clientSecret.Reveal(), timestamp)
	return header + "signature=" + mac(key, dataToSign(req, body, header))
}

// dataToSign joins what is signed: method, scheme, host, path with query, no
// headers, the hash of a POST's body, and the header so far.
func dataToSign(req *http.Request, body []byte, header string) string {
	hash := ""
	if req.Method == http.MethodPost && len(body) > 0 {
		sum := sha256.Sum256(body[:min(len(body), maxHashed)])
		hash = base64.StdEncoding.EncodeToString(sum[:])
	}
	return strings.Join([]string{
		req.Method, req.URL.Scheme, strings.ToLower(req.URL.Host), req.URL.RequestURI(), "", hash, header,
	}, "\t")
}

func mac(key, data string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(data))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}
