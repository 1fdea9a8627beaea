package settings

func (c *checker) checkVarnish(s section, t *Varnish) {
	if len(t.Servers) == 0 {
		c.addInstance(SeverityError, s, "Servers", "is empty", "add Servers[]=http://10.0.0.5:6081 for each Varnish host")
	}
	c.checkURLs(s, "Servers", t.Servers)
	c.checkURLs(s, "URLs", t.URLs)
	c.checkKeys(s, t.PurgeBy == "key" || t.Keys, c.settings.Gateway.XKey, "XKey")
	if t.Soft && t.PurgeBy != "key" && !t.Keys {
		c.addInstance(SeverityWarning, s, "Soft", "has no effect: nothing is purged by keys", "set Keys=enabled or PurgeBy=key")
	}
}

func (c *checker) checkFastly(s section, t *Fastly) {
	c.require(s, "ServiceID", t.ServiceID)
	c.require(s, "Token", t.Token.Reveal())
	c.checkBases(s, t.PurgeBy == "url", t.URLs, "PurgeBy=key")
	c.checkURL(s, "Endpoint", t.Endpoint)
	c.checkKeys(s, t.PurgeBy == "key" || t.Keys, c.settings.Gateway.SurrogateKey, "SurrogateKey")
}

func (c *checker) checkCloudflare(s section, t *Cloudflare) {
	c.require(s, "ZoneID", t.ZoneID)
	c.require(s, "Token", t.Token.Reveal())
	c.checkBases(s, t.PurgeBy == "url" || t.All == "hosts", t.URLs, "PurgeBy=tag and All=everything")
	c.checkURL(s, "Endpoint", t.Endpoint)
	c.checkKeys(s, t.PurgeBy == "tag" || t.Tags, c.settings.Gateway.CacheTag, "CacheTag")
}

func (c *checker) checkCloudFront(s section, t *CloudFront) {
	c.require(s, "DistributionID", t.DistributionID)
	c.checkKeyPair(s, t.AccessKeyID != "", t.SecretAccessKey != "" || t.SecretAccessKeyFile != "")
	c.checkURL(s, "Endpoint", t.Endpoint)
	c.checkKeys(s, t.PurgeBy == "tag" || t.Tags, c.settings.Gateway.CacheTag, "CacheTag")
}

// checkBases looks at the bases of the URLs that a target purges.
func (c *checker) checkBases(s section, needed bool, urls []string, otherwise string) {
	if needed && len(urls) == 0 {
		c.addInstance(SeverityError, s, "URLs", "is empty: files are purged by their URLs",
			"add URLs[]=https://www.example.com, or set "+otherwise)
	}
	c.checkURLs(s, "URLs", urls)
}

func (c *checker) checkURLs(s section, key string, urls []string) {
	for _, url := range urls {
		c.checkURL(s, key, url)
	}
}

// checkKeys: what is purged by keys has to be sent with them.
func (c *checker) checkKeys(s section, used, sent bool, header string) {
	if used && !sent {
		c.add(SeverityWarning, "file.ini", "Gateway", header, "is disabled, but "+s.instance+" purges by what it sends", "enable it")
	}
}
