package akamai

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"

	"example.com/ezdfs/settings"
)

// credentials are those of an API client.
type credentials struct {
	host                                   string
	clientToken, clientSecret, accessToken settings.Secret
}

// findCredentials takes what the settings say, and the rest from the .edgerc
// file that they name. Its errors quote no line of the file.
func findCredentials(cfg settings.Akamai) (credentials, error) {
	c := credentials{cfg.Host, cfg.ClientToken, cfg.ClientSecret, cfg.AccessToken}
	if cfg.CredentialsFile != "" {
		data, err := os.ReadFile(cfg.CredentialsFile)
		if err != nil {
			return c, fmt.Errorf("CredentialsFile: %w", err)
		}
		name := cmp.Or(cfg.CredentialsSection, "default")
		section := edgerc(string(data), name)
		if section == nil {
			return c, fmt.Errorf("CredentialsFile: %s has no section [%s]", cfg.CredentialsFile, name)
		}
		c = credentials{
			cmp.Or(c.host, section["host"]), cmp.Or(c.clientToken, settings.Secret(section["client_token"])),
			cmp.Or(c.clientSecret, settings.Secret(section["client_secret"])), cmp.Or(c.accessToken, settings.Secret(section["access_token"])),
		}
	}
	c.host = strings.TrimRight(strings.TrimPrefix(c.host, "https://"), "/")
	var missing []string
	for _, part := range []struct {
		name string
		set  bool
	}{
		{"Host", c.host != "" || cfg.Endpoint != ""}, {"ClientToken", c.clientToken != ""},
		{"ClientSecret", c.clientSecret != ""}, {"AccessToken", c.accessToken != ""},
	} {
		if !part.set {
			missing = append(missing, part.name)
		}
	}
	if len(missing) > 0 {
		return c, errors.New(strings.Join(missing, ", ") + " missing: set them, or CredentialsFile to an .edgerc file that has them")
	}
	return c, nil
}

// edgerc reads a section of an .edgerc file, lines "key = value" below
// "[section]", or returns nil where there is none of the name.
func edgerc(text, name string) map[string]string {
	var values map[string]string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			if inside = strings.TrimSpace(line[1:len(line)-1]) == name; inside && values == nil {
				values = map[string]string{}
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if inside && ok && !strings.ContainsRune("#;", rune(line[0])) {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return values
}
