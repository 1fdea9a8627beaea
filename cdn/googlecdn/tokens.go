package googlecdn

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/httpcall"
	"example.com/ezdfs/settings"
)

// scope is the narrowest that invalidateCache takes (reference, "Authorization
// scopes").
const scope = "https://www.googleapis.com/auth/compute"

// tokens gets OAuth 2.0 tokens; the zero value sends none, as stand-ins want.
type tokens struct {
	target string
	creds  *auth.Credentials
}

// newTokens finds credentials: the key file of the settings, else the default
// ones. Its errors never quote the file.
func newTokens(cfg settings.GoogleCDN, client *httpcall.Client) (tokens, error) {
	t := tokens{target: cfg.Name}
	o := &credentials.DetectOptions{
		Scopes: []string{scope}, Client: client.HTTP(),
		DisableAsyncRefresh: true, // would outlive Close
	}
	var err error
	switch {
	case cfg.CredentialsFile != "":
		t.creds, err = fromFile(cfg.CredentialsFile, o)
	case cfg.Endpoint == "":
		if t.creds, err = credentials.DetectDefault(o); err != nil {
			err = errors.New("no default credentials: set CredentialsFile, or GOOGLE_APPLICATION_CREDENTIALS, or run where a service account is attached")
		}
	}
	return t, err
}

func fromFile(name string, o *credentials.DetectOptions) (*auth.Credentials, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("setting CredentialsFile: %w", err)
	}
	var account struct{ Type credentials.CredType }
	if json.Unmarshal(data, &account) != nil || account.Type == "" {
		return nil, fmt.Errorf("setting CredentialsFile: %s is not a key of a service account", name)
	}
	creds, err := credentials.NewCredentialsFromJSON(account.Type, data, o)
	if err != nil {
		return nil, fmt.Errorf("setting CredentialsFile: %s cannot be used as a key of the type %.40q", name, account.Type)
	}
	return creds, nil
}

// authorize adds a token to a request. A token that is refused, rather than
// not to be had now, is an error for good. What the service says is left out:
// it may repeat what was sent.
func (t tokens) authorize(req *http.Request) error {
	if t.creds == nil {
		return nil
	}
	token, err := t.creds.Token(req.Context())
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+token.Value)
		return nil
	}
	e := &cdn.Error{Target: t.target, Kind: cdn.ErrUnavailable, Reason: "Google gave no token", Err: req.Context().Err()}
	var failed *auth.Error
	if errors.As(err, &failed) && failed.Response != nil {
		e.Status = failed.Response.StatusCode
		if e.Status/100 == 4 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout {
			e.Kind = cdn.ErrRefused
			e.Reason = "Google gave no token: are the credentials right?"
		}
	}
	return e
}
