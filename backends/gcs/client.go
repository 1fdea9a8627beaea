package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/httptransport"
	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// client is the storage client over a transport of our own, so that Close
// leaves no connection behind, with what is needed to make URLs.
type client struct {
	*storage.Client
	transport *http.Transport
	base      *url.URL // scheme and host of the service
	signer    *serviceAccount
	anonymous bool
}

// serviceAccount is what a service account key says for signing.
type serviceAccount struct {
	Type  string `json:"type"`
	Email string `json:"client_email"`
	Key   string `json:"private_key"`
}

func newClient(ctx context.Context, cfg settings.GCS, o options) (*client, error) {
	c := &client{transport: newTransport(), base: &url.URL{Scheme: "https", Host: "storage.googleapis.com"}}
	hc := &http.Client{Transport: backends.NoticeThrottling(backends.OwnTimeouts(o.wrap(c.transport)))}
	if cfg.Endpoint != "" {
		base, err := parseEndpoint(cfg.Endpoint)
		if err != nil {
			return nil, err
		}
		c.base = base
	}
	creds, err := c.credentials(cfg, *hc)
	if err != nil {
		return nil, err
	}
	opts := []option.ClientOption{
		option.WithHTTPClient(hc),
		option.WithEndpoint(c.base.JoinPath("storage/v1/").String()), // whatever STORAGE_EMULATOR_HOST says
		storage.WithXMLReads(),
		storage.WithDisabledClientMetrics(), // would start an exporter
	}
	if c.anonymous {
		opts = append(opts, option.WithoutAuthentication())
	} else {
		opts = append(opts, option.WithAuthCredentials(creds))
		if err := httptransport.AddAuthorizationMiddleware(hc, creds); err != nil {
			return nil, err
		}
	}
	if c.Client, err = storage.NewClient(ctx, opts...); err != nil {
		return nil, fmt.Errorf("setting up the client: %w", err)
	}
	c.SetRetry(o.retryRequests()...)
	return c, nil
}

// Close closes the client and every idle connection.
func (c *client) Close() error {
	err := c.Client.Close()
	c.transport.CloseIdleConnections()
	return err
}

// newTransport is net/http's default with connections for many parallel
// requests to one host, and limits on how long a silent peer is waited for.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 30 * time.Second},
		MaxIdleConnsPerHost:   100,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
	}
}

// parseEndpoint reads the setting Endpoint: a URL of scheme, host and port.
func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		return nil, fmt.Errorf("setting Endpoint %q is not a URL such as http://127.0.0.1:4443", endpoint)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// credentials finds the credentials and notes how URLs can be signed with
// them. Tokens are fetched by way of hc.
func (c *client) credentials(cfg settings.GCS, hc http.Client) (*auth.Credentials, error) {
	opts := &credentials.DetectOptions{
		Scopes:              []string{storage.ScopeFullControl},
		DisableAsyncRefresh: true, // would outlive Close
		Client:              &hc,
	}
	switch {
	case cfg.CredentialsFile != "":
		return c.credentialsFile(cfg.CredentialsFile, opts)
	case cfg.Endpoint != "":
		c.anonymous = true
		return nil, nil
	}
	creds, err := credentials.DetectDefault(opts)
	if err != nil {
		return nil, fmt.Errorf("no default credentials (set CredentialsFile, or GOOGLE_APPLICATION_CREDENTIALS, or run where a service account is attached): %v", err)
	}
	return creds, nil
}

// credentialsFile reads a key file. Its errors never wrap one of the file
// system, so that nobody takes them for a missing body, and never quote it.
func (c *client) credentialsFile(name string, opts *credentials.DetectOptions) (*auth.Credentials, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("setting CredentialsFile: %v", err)
	}
	var account serviceAccount
	if err := json.Unmarshal(data, &account); err != nil {
		return nil, fmt.Errorf("setting CredentialsFile: %s is not JSON: %v", name, err)
	}
	switch kind := credentials.CredType(account.Type); kind {
	case credentials.ServiceAccount:
		if account.Email == "" || account.Key == "" {
			return nil, fmt.Errorf("setting CredentialsFile: %s has no client_email or no private_key", name)
		}
		c.signer = &account
	case credentials.AuthorizedUser, credentials.ExternalAccount, credentials.ImpersonatedServiceAccount:
	default:
		return nil, fmt.Errorf("setting CredentialsFile: %s is of type %q, want the key of a service account", name, kind)
	}
	creds, err := credentials.NewCredentialsFromJSON(credentials.CredType(account.Type), data, opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("setting CredentialsFile: %s cannot be used", name), err)
	}
	return creds, nil
}
