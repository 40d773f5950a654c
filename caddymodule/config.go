package caddymodule

import "encoding/json"

// StoreConfig says where the gateway remembers who owns what. Any value may hold placeholders.
type StoreConfig struct {
	// The kind of store: `file` (the default: embedded, one file, one process), `redis` (shared by any number of
	// gateways), or `memory` (for tests; everything is lost with the process).
	Kind string `json:"kind,omitempty"`

	// The file of the embedded store. Default: `osb_gateway/<name>.db` in Caddy's data directory.
	Path string `json:"path,omitempty"`

	// Redis by URL: `redis://` or `rediss://` (TLS), with user, password and db as far as they are not given beside it.
	URL string `json:"url,omitempty"`
	// Redis by `host:port`: one server, or members of a cluster, or sentinels. Use this or `url`.
	Addresses []string `json:"addresses,omitempty"`
	// Whether the server is a member of a Redis Cluster. The others are found by themselves.
	Cluster bool `json:"cluster,omitempty"`
	// The name by which sentinels know the master. The addresses are those of the sentinels then.
	SentinelMaster string `json:"sentinel_master,omitempty"`
	// The user of the sentinels' access control lists. Default: their default user.
	SentinelUsername string `json:"sentinel_username,omitempty"`
	// The password of the sentinels, where they have one.
	SentinelPassword string `json:"sentinel_password,omitempty"`
	// The user of Redis' access control lists. Default: Redis' default user.
	Username string `json:"username,omitempty"`
	// The password of Redis. Take it from a placeholder such as `{env.REDIS_PASSWORD}`: Caddy keeps its configuration
	// on disk.
	Password string `json:"password,omitempty"`
	// The number of the Redis database. Default: 0.
	DB string `json:"db,omitempty"`
	// TLS to Redis, and to the sentinels.
	TLS *StoreTLSConfig `json:"tls,omitempty"`
	// What every key begins with. Default: `osb`.
	KeyPrefix string `json:"key_prefix,omitempty"`
	// How long one command may take. Default: `500ms`.
	Timeout Duration `json:"timeout,omitempty"`
	// How many replicas must have a claim before a call is sent to a broker. Default: 1 with sentinels or a cluster,
	// else 0.
	WaitReplicas string `json:"wait_replicas,omitempty"`
	// How long to wait for them; shorter than `timeout`. Default: half of it.
	WaitReplicasTimeout Duration `json:"wait_replicas_timeout,omitempty"`
}

// StoreTLSConfig is TLS to Redis. Any value may hold placeholders.
type StoreTLSConfig struct {
	// A PEM file with the certificate authorities to trust. Default: those of the system.
	CA string `json:"ca,omitempty"`
	// A PEM file with the certificate to show to Redis.
	Certificate string `json:"cert,omitempty"`
	// A PEM file with its key.
	Key string `json:"key,omitempty"`
	// The name that Redis' certificate must be for. Default: the host that is dialled.
	ServerName string `json:"server_name,omitempty"`
}

// PlatformConfig is a caller: one Cloud Foundry, one Kubernetes cluster, one IBM Cloud account. Any value may hold
// placeholders.
type PlatformConfig struct {
	// The platform's name; it is part of every record of what the platform owns.
	Name string `json:"name"`
	// Names that the platform had before, which records may still carry.
	Formerly []string `json:"formerly,omitempty"`
	// User names with the hash of their password, made by `caddy hash-password` (bcrypt or argon2id). Several may be
	// live at a time, so that a password is rotated without a failed call. A user name belongs to one platform.
	BasicAuth []BasicAuthConfig `json:"basic_auth,omitempty"`
	// JSON Web Tokens that stand for the platform, one entry for an issuer.
	JWT []*JWTConfig `json:"jwt,omitempty"`
	// Client certificates that stand for the platform: `sha256:` and the fingerprint of one, or `dns:` or `uri:` and a
	// name in it, which counts only in certificates that Caddy verified.
	ClientCertificates []string `json:"client_cert,omitempty"`
	// What is asked of the originating identity of calls that create or change something: `lenient` (the default:
	// nothing), `required` (it must be there and readable) or `strict` (its platform must be that of the body's context
	// too).
	Identity string `json:"identity,omitempty"`
	// The platform that the originating identity must name, such as `cloudfoundry`. Default: any.
	IdentityPlatform string `json:"identity_platform,omitempty"`
	// The least version of the API that the platform must announce, such as `2.13`. Below it calls get 412.
	APIVersion string `json:"api_version,omitempty"`
	// Refuse calls beneath /v2 that announce no version at all.
	APIVersionRequired bool `json:"api_version_required,omitempty"`
	// The version that is announced to backends where the platform announces none. Default: calls go on as they came.
	DefaultAPIVersion string `json:"default_api_version,omitempty"`
	// Which offerings the platform sees and may make instances of. Default: all.
	Offerings *OfferingsConfig `json:"offerings,omitempty"`
	// What becomes of calls on instances that the gateway has no record of: `forward` by what the call itself says (its
	// service_id, say), or `reject`. Default: `forward` if there is one platform; with several it must be set, because
	// `forward` lets a platform reach instances that another one made before the gateway came.
	UnknownInstances string `json:"unknown_instances,omitempty"`
}

// BasicAuthConfig is a user name and the hash of its password.
type BasicAuthConfig struct {
	User string `json:"user"`
	Hash string `json:"hash"`
}

// OfferingsConfig says which offerings a platform sees. What it does not see it cannot newly provision, change a plan of
// or bind; what it has, it keeps control of. A selector is the name or the id of an offering as platforms see it, or
// `backend:<name>` for all of a backend, and may hold `*` for any text.
type OfferingsConfig struct {
	// Selectors of what the platform sees. Default: everything.
	Allow []string `json:"allow,omitempty"`
	// Selectors of what it does not see, although it is allowed.
	Deny []string `json:"deny,omitempty"`
}

// BackendConfig is a downstream broker. Any value may hold placeholders.
type BackendConfig struct {
	// The backend's name; it is part of every record of what lives there.
	Name string `json:"name"`
	// Names that the backend had before, which records may still carry.
	Formerly []string `json:"formerly,omitempty"`
	// The broker's URL: http or https, with a path where it has one, without user info, query or fragment.
	URL string `json:"url"`
	// The user name and password that the broker wants. A backend has one kind of credentials, or none.
	BasicAuth *BackendBasicAuthConfig `json:"basic_auth,omitempty"`
	// A bearer token that stays as it is. Take it from a placeholder.
	BearerToken string `json:"bearer_token,omitempty"`
	// Bearer tokens of an OAuth 2 server, got with client credentials.
	OAuth2 *OAuth2Config `json:"oauth2,omitempty"`
	// Bearer tokens of IBM Cloud, got with an API key.
	IBMIAM *IBMIAMConfig `json:"ibm_iam,omitempty"`
	// Headers that are set on every call. Authorization, hop-by-hop and X-Broker-API-* headers are refused.
	Headers []HeaderConfig `json:"headers,omitempty"`
	// How long a call may take in all, once the platform has sent it. Default: `55s`, below the 60 s after which platforms
	// give up.
	Timeout Duration `json:"timeout,omitempty"`
	// How long after the gateway gave a create up the broker may still begin it, out of a queue of its own, say. A
	// deletion that the broker confirms meanwhile is answered 422 ConcurrencyError, and the platform comes again.
	// Default: `5m`.
	Settle Duration `json:"settle,omitempty"`
	// How long a catalog fetch may take. Default: `10s`.
	CatalogTimeout Duration `json:"catalog_timeout,omitempty"`
	// The version of the API that is announced when the gateway fetches the catalog for itself. Default: `2.17`.
	CatalogVersion string `json:"catalog_version,omitempty"`
	// How many calls may be open at a time. Beyond it calls get 503 with Retry-After, and nothing is sent. Catalog
	// fetches do not count. Default: 256.
	MaxInFlight Number `json:"max_in_flight,omitempty"`
	// When the broker is left alone because it does not answer. Default: after 5 calls in a row, for `10s`.
	Breaker *BreakerConfig `json:"breaker,omitempty"`
	// What becomes of the answer to IBM Cloud's enable and disable where the broker says no more than that it did it:
	// `relay` (the default), or `synthesize` a 200 with the state that was asked for, which some clients want.
	StateResponse string `json:"state_response,omitempty"`
	// The offerings, by the broker's own names, that are published, whole or some of their plans. Default: all.
	Include []SelectionConfig `json:"include,omitempty"`
	// The offerings that are not published, whole or some of their plans. Instances of them stay under control.
	Exclude []SelectionConfig `json:"exclude,omitempty"`
	// New names of offerings, by the broker's own ones.
	Rename map[string]string `json:"rename,omitempty"`
	// What the names of all its offerings begin with, the new ones too.
	Prefix string `json:"prefix,omitempty"`
	// Whether the ids of offerings and plans are replaced by ones of the gateway's (UUIDs, made from the backend and the
	// broker's id), so that two brokers with the same ids stand side by side. The broker sees its own ids.
	NamespaceIDs bool `json:"namespace_ids,omitempty"`
	// Whether no new instances are made: `visible` leaves the offerings in the catalog, `hidden` does not. All else
	// works as before.
	Drain string `json:"drain,omitempty"`
	// Caddy's transport to the broker, for TLS, client certificates and HTTP/2. Default: Caddy's `http` transport.
	TransportRaw json.RawMessage `json:"transport,omitempty" caddy:"namespace=http.reverse_proxy.transport inline_key=protocol"`
}

// SelectionConfig names an offering of a broker, or some of its plans.
type SelectionConfig struct {
	// The broker's own name of the offering.
	Offering string `json:"offering"`
	// The names of its plans. Default: all of them.
	Plans []string `json:"plans,omitempty"`
}

// BackendBasicAuthConfig are the credentials of a broker. Take the password from a placeholder such as
// `{env.BROKER_PASSWORD}` or `{file./run/secrets/broker}`: Caddy keeps its configuration on disk.
type BackendBasicAuthConfig struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// OAuth2Config gets tokens with OAuth 2 client credentials. They are cached and renewed before they end.
type OAuth2Config struct {
	// The token endpoint: http or https, without user info or fragment.
	TokenURL string `json:"token_url"`
	// The client's id.
	ClientID string `json:"client_id"`
	// The client's secret. Take it from a placeholder: Caddy keeps its configuration on disk. It is read again for
	// every token.
	ClientSecret string `json:"client_secret"`
	// The scopes to ask for. Default: what the server gives without being asked.
	Scopes []string `json:"scopes,omitempty"`
}

// IBMIAMConfig gets tokens with an API key of IBM Cloud. They are cached and renewed before they end.
type IBMIAMConfig struct {
	// The API key. Take it from a placeholder: Caddy keeps its configuration on disk. It is read again for every token.
	APIKey string `json:"apikey"`
	// The token endpoint. Default: `https://iam.cloud.ibm.com/identity/token`.
	URL string `json:"url,omitempty"`
}

// BreakerConfig says when a broker is left alone. Calls that cannot be delivered and calls that are not answered in time
// count; an answer, whatever its status, does not.
type BreakerConfig struct {
	// How many calls in a row must fail. Default: 5.
	Failures Number `json:"failures,omitempty"`
	// How long no call is sent then; after it a single one is, whose outcome decides. Default: `10s`.
	Open Duration `json:"open,omitempty"`
	// Whether there is no breaker at all.
	Off bool `json:"off,omitempty"`
}

// HeaderConfig is a header that is set on calls to a backend.
type HeaderConfig struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CatalogConfig says how the brokers' catalogs are kept.
type CatalogConfig struct {
	// How often each backend's catalog is fetched, give or take a tenth. Default: `60s`.
	Refresh Duration `json:"refresh,omitempty"`
	// What happens while a backend was never yet seen good: `serve` (the default) shows the offerings of the others,
	// `refuse` answers 503 until each backend was seen good once.
	Incomplete string `json:"incomplete,omitempty"`
	// How long an offering must be missing from its broker's catalog before it leaves the merged one. Default: `10m`.
	WithdrawAfter Duration `json:"withdraw_after,omitempty"`
	// What becomes of an offering whose name another backend published first: `quarantine` leaves it out, `prefix` names
	// it `<backend>-<name>`. Default: `quarantine`.
	OnNameConflict string `json:"on_name_conflict,omitempty"`
	// Whether `free` and `bindable` are written into the plans that leave them out, for clients which misread that.
	MaterializeDefaults bool `json:"materialize_defaults,omitempty"`
}

// IdentityLogConfig says how the end user appears in the audit log, in spans and in placeholders.
type IdentityLogConfig struct {
	// `full` (the default), `hash`, or `none`.
	Mode string `json:"mode,omitempty"`
	// The key of the hash, so that nobody without it can tell a user by trying names. Without a key it is made at
	// random and lasts as long as the process.
	Key string `json:"key,omitempty"`
}
