package caddymodule

import (
	"encoding/json"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("osb_gateway", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("osb_gateway", httpcaddyfile.Before, "respond")
}

func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	g := new(Gateway)
	return g, g.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	osb_gateway [<matcher>] {
//		name <id>
//		base_path <path>
//		health_path <path>
//
//		store file [<path>]
//		store memory
//		store redis {
//			url <redis[s]://...>
//			address <host:port>...
//			cluster
//			sentinel_master <name>
//			sentinel_username <user>
//			sentinel_password <value>
//			username <user>
//			password <value>
//			db <number>
//			tls {
//				ca <file>
//				cert <file>
//				key <file>
//				server_name <name>
//			}
//			key_prefix <prefix>
//			timeout <duration>
//			wait_replicas <number> [<timeout>]
//		}
//		store_id <id>
//
//		platform <name> {
//			formerly <name>...
//			basic_auth <user> <hash>
//			jwt <issuer> {
//				jwks_url <url>
//				key_file <pem>
//				jwks_token <token>
//				transport http {
//					...
//				}
//				audience <audience>...
//				algorithms <algorithm>...
//				require <claim> <value>...
//				leeway <duration>
//			}
//			client_cert <sha256:hex|dns:name|uri:uri>...
//			identity <lenient|required|strict> [<platform>]
//			api_version <minimum> [required]
//			default_api_version <version>
//			offerings <allow|deny> <selector>...
//			unknown_instances <forward|reject>
//		}
//
//		backend <name> <url> {
//			formerly <name>...
//			basic_auth <user> <password>
//			bearer_token <token>
//			oauth2 <token_url> {
//				client <id> <secret>
//				scopes <scope>...
//			}
//			ibm_iam <apikey> [<url>]
//			header <name> <value>
//			transport http {
//				...
//			}
//			timeout <duration>
//			settle <duration>
//			catalog_timeout <duration>
//			catalog_version <version>
//			max_in_flight <number>
//			breaker <failures> <open>|off
//			include <offering> [<plan>...]
//			exclude <offering> [<plan>...]
//			rename <offering> <new-name>
//			prefix <text>
//			namespace_ids
//			drain [hidden]
//			state_response <relay|synthesize>
//		}
//
//		catalog {
//			refresh <duration>
//			on_name_conflict <quarantine|prefix>
//			incomplete <serve|refuse>
//			withdraw_after <duration>
//			materialize_defaults
//		}
//
//		max_request_body <size>
//		max_response_body <size>
//		identity_log <full|hash [<key>]|none>
//	}
//
// Platforms, backends, basic_auth, jwt and offerings of a platform, require, header, include, exclude and rename may be
// repeated; everything else stands once.
func (g *Gateway) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive
	if d.NextArg() {
		return d.Errf("osb_gateway has too many arguments: unexpected %q", d.Val())
	}
	b := newBlock(d, "osb_gateway")
	for b.next() {
		if err := g.parseSubdirective(b); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gateway) parseSubdirective(b *block) error {
	switch b.name {
	case "name":
		return b.once(&g.Name)
	case "base_path":
		return b.once(&g.BasePath)
	case "health_path":
		return b.once(&g.HealthPath)
	case "store":
		return b.unlessSeen(func() error { return g.parseStore(b) })
	case "store_id":
		return b.once(&g.StoreID)
	case "platform":
		return g.parsePlatform(b)
	case "backend":
		return g.parseBackend(b)
	case "catalog":
		return b.unlessSeen(func() error { return g.parseCatalog(b) })
	case "max_request_body":
		return b.once((*string)(&g.MaxRequestBody))
	case "max_response_body":
		return b.once((*string)(&g.MaxResponseBody))
	case "identity_log":
		return b.unlessSeen(func() error { return g.parseIdentityLog(b) })
	}
	return b.unknown()
}

func (g *Gateway) parseStore(b *block) error {
	g.Store = new(StoreConfig)
	if err := b.first(&g.Store.Kind); err != nil {
		return err
	}
	b.name += " " + g.Store.Kind // as errors call it
	switch g.Store.Kind {
	case "file":
		return b.optional(&g.Store.Path)
	case "memory":
		return b.end()
	case "redis":
		if b.d.NextArg() {
			return b.d.Err("store redis takes no more arguments: say where it is in a block, with `url` or `address`")
		}
		return b.each(g.Store.parseRedis)
	}
	return b.d.Errf("store is file, redis or memory, not %q", g.Store.Kind)
}

func (c *StoreConfig) parseRedis(b *block) error {
	switch b.name {
	case "url":
		return b.once(&c.URL)
	case "address":
		return b.list(&c.Addresses)
	case "cluster":
		return b.flag(&c.Cluster)
	case "sentinel_master":
		return b.once(&c.SentinelMaster)
	case "sentinel_username":
		return b.once(&c.SentinelUsername)
	case "sentinel_password":
		return b.once(&c.SentinelPassword)
	case "wait_replicas":
		return b.unlessSeen(func() error {
			if err := b.first(&c.WaitReplicas); err != nil {
				return err
			}
			return b.optional((*string)(&c.WaitReplicasTimeout))
		})
	case "username":
		return b.once(&c.Username)
	case "password":
		return b.once(&c.Password)
	case "db":
		return b.once(&c.DB)
	case "key_prefix":
		return b.once(&c.KeyPrefix)
	case "timeout":
		return b.once((*string)(&c.Timeout))
	case "tls":
		return b.unlessSeen(func() error {
			c.TLS = new(StoreTLSConfig)
			if err := b.end(); err != nil {
				return err
			}
			return b.each(c.TLS.parse)
		})
	}
	return b.unknown()
}

func (c *StoreTLSConfig) parse(b *block) error {
	switch b.name {
	case "ca":
		return b.once(&c.CA)
	case "cert":
		return b.once(&c.Certificate)
	case "key":
		return b.once(&c.Key)
	case "server_name":
		return b.once(&c.ServerName)
	}
	return b.unknown()
}

func (g *Gateway) parsePlatform(b *block) error {
	p := new(PlatformConfig)
	if err := b.args(&p.Name); err != nil {
		return err
	}
	if slices.ContainsFunc(g.Platforms, func(other *PlatformConfig) bool { return other.Name == p.Name }) {
		return b.d.Errf("platform %q is there twice", p.Name)
	}
	g.Platforms = append(g.Platforms, p)
	return b.each(p.parse)
}

func (p *PlatformConfig) parse(b *block) error {
	switch b.name {
	case "formerly":
		return b.list(&p.Formerly)
	case "basic_auth":
		var credential BasicAuthConfig
		if err := b.args(&credential.User, &credential.Hash); err != nil {
			return err
		}
		p.BasicAuth = append(p.BasicAuth, credential)
		return nil
	case "jwt":
		return p.parseJWT(b)
	case "client_cert":
		return b.list(&p.ClientCertificates)
	case "identity":
		return b.unlessSeen(func() error { return p.parseIdentity(b) })
	case "api_version":
		return b.unlessSeen(func() error { return p.parseAPIVersion(b) })
	case "default_api_version":
		return b.once(&p.DefaultAPIVersion)
	case "offerings":
		return p.parseOfferings(b)
	case "unknown_instances":
		return b.oneOf(&p.UnknownInstances, "forward", "reject")
	}
	return b.unknown()
}

func (p *PlatformConfig) parseAPIVersion(b *block) error {
	if err := b.first(&p.APIVersion); err != nil {
		return err
	}
	if b.d.NextArg() {
		if b.d.Val() != "required" {
			return b.d.Errf("api_version: unexpected %q; only `required` may follow the version", b.d.Val())
		}
		p.APIVersionRequired = true
	}
	return b.end()
}

func (g *Gateway) parseBackend(b *block) error {
	c := new(BackendConfig)
	if err := b.args(&c.Name, &c.URL); err != nil {
		return err
	}
	if slices.ContainsFunc(g.Backends, func(other *BackendConfig) bool { return other.Name == c.Name }) {
		return b.d.Errf("backend %q is there twice", c.Name)
	}
	g.Backends = append(g.Backends, c)
	return b.each(c.parse)
}

func (c *BackendConfig) parse(b *block) error {
	switch b.name {
	case "formerly":
		return b.list(&c.Formerly)
	case "basic_auth", "bearer_token", "oauth2", "ibm_iam":
		return c.parseCredentials(b)
	case "header":
		var header HeaderConfig
		if err := b.args(&header.Name, &header.Value); err != nil {
			return err
		}
		c.Headers = append(c.Headers, header)
		return nil
	case "timeout":
		return b.once((*string)(&c.Timeout))
	case "settle":
		return b.once((*string)(&c.Settle))
	case "catalog_timeout":
		return b.once((*string)(&c.CatalogTimeout))
	case "catalog_version":
		return b.once(&c.CatalogVersion)
	case "max_in_flight":
		return b.once((*string)(&c.MaxInFlight))
	case "breaker":
		return b.unlessSeen(func() error { return c.parseBreaker(b) })
	case "state_response":
		return b.oneOf(&c.StateResponse, "relay", "synthesize")
	case "transport":
		return b.unlessSeen(func() error { return parseTransport(b, &c.TransportRaw) })
	}
	return c.parsePolicy(b)
}

// parseTransport reads a transport of Caddy's.
func parseTransport(b *block, raw *json.RawMessage) error {
	var name string
	if err := b.args(&name); err != nil {
		return err
	}
	module, err := caddyfile.UnmarshalModule(b.d, "http.reverse_proxy.transport."+name)
	if err != nil {
		return err
	}
	*raw = caddyconfig.JSONModuleObject(module, "protocol", name, nil)
	return nil
}

func (g *Gateway) parseIdentityLog(b *block) error {
	g.IdentityLog = new(IdentityLogConfig)
	if err := b.first(&g.IdentityLog.Mode); err != nil {
		return err
	}
	switch mode := g.IdentityLog.Mode; {
	case mode == "full", mode == "none":
		return b.end()
	case mode == "hash", isPlaceholder(mode):
		return b.optional(&g.IdentityLog.Key)
	}
	return b.d.Errf("identity_log is full, hash or none, not %q", g.IdentityLog.Mode)
}

// Interface guard.
var _ caddyfile.Unmarshaler = (*Gateway)(nil)
