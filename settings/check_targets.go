package settings

// checkTargets looks at the groups of cdn.ini.
func (c *checker) checkTargets() {
	for _, s := range instances(&c.settings) {
		switch t := s.fields.Addr().Interface().(type) {
		case *Varnish:
			c.checkVarnish(s, t)
		case *Fastly:
			c.checkFastly(s, t)
		case *Cloudflare:
			c.checkCloudflare(s, t)
		case *CloudFront:
			c.checkCloudFront(s, t)
		case *Akamai:
			c.checkAkamai(s, t)
		case *GoogleCDN:
			c.require(s, "Project", t.Project)
			c.require(s, "URLMap", t.URLMap)
			c.checkURL(s, "Endpoint", t.Endpoint)
			c.checkCredentials(s, t.CredentialsFile)
			c.checkKeys(s, t.Tags, c.settings.Gateway.CacheTag, "CacheTag")
		case *WebhookTarget:
			c.require(s, "URL", t.URL)
			c.checkURL(s, "URL", t.URL)
		case *Replicate:
			c.checkReplicate(s, t)
		}
	}
}

// require reports a setting that a target cannot be without. One that should
// be in a file is reported with that.
func (c *checker) require(s section, key, value string) {
	if _, inFile := s.secretFile(key); value == "" && !inFile {
		c.addInstance(SeverityError, s, key, "is not set", "set it in ["+s.group+"] of "+s.file)
	}
}

func (c *checker) checkAkamai(s section, t *Akamai) {
	if len(t.URLs) == 0 && t.PurgeBy != "tag" {
		c.addInstance(SeverityError, s, "URLs", "is empty: single files are purged by their URLs",
			"add URLs[]=https://www.example.com, or set PurgeBy=tag")
	}
	for _, url := range t.URLs {
		c.checkURL(s, "URLs", url)
	}
	c.checkURL(s, "Endpoint", t.Endpoint)
	c.checkCredentials(s, t.CredentialsFile)
	if t.CredentialsFile == "" {
		if t.Endpoint == "" {
			c.require(s, "Host", t.Host)
		}
		c.require(s, "ClientToken", t.ClientToken.Reveal())
		c.require(s, "ClientSecret", t.ClientSecret.Reveal())
		c.require(s, "AccessToken", t.AccessToken.Reveal())
	}
	c.checkKeys(s, t.PurgeBy == "tag" || t.Tags, c.settings.Gateway.EdgeCacheTag, "EdgeCacheTag")
}

// checkReplicate: a replica is made equal to the cluster, files that are not
// live deleted. A store of the cluster itself would lose what a purge has to
// find.
func (c *checker) checkReplicate(s section, t *Replicate) {
	if c.require(s, "Backend", t.Backend); t.Backend == "" {
		return
	}
	name, ok := BackendName(t.Backend)
	switch {
	case !ok || !c.hasStore(name):
		c.addInstance(SeverityError, s, "Backend", "names no store: "+t.Backend, "add a group ["+t.Backend+"] with its settings")
	case c.settings.routed()[name]:
		c.addInstance(SeverityError, s, "Backend", name+" is a store of the cluster itself, by a rule or as the default",
			"name a store of its own")
	case c.settings.InTheWay(name) != "":
		c.addInstance(SeverityError, s, "Backend", name+" keeps its files where "+c.settings.InTheWay(name)+
			" does, a store of the cluster itself", "name a store of its own")
	}
}

// hasStore reports whether a backend has settings.
func (c *checker) hasStore(name string) bool {
	_, nfs := c.settings.NFS[name]
	_, s3 := c.settings.S3[name]
	_, gcs := c.settings.GCS[name]
	return nfs || s3 || gcs
}
