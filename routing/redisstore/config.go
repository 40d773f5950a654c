package redisstore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	defaultTimeout   = 500 * time.Millisecond
	defaultKeyPrefix = "osb"
	defaultGateway   = "default"
	defaultPort      = "6379"
	// defaultSentinelPort is the one that Redis itself takes for a sentinel.
	defaultSentinelPort = "26379"
)

// Config says which servers a Store speaks to, and under which keys. It needs either a URL or addresses.
type Config struct {
	// URL is redis://[user[:password]@]host[:port][/db], or rediss:// for TLS. Query and fragment are refused. With
	// Cluster it is that of one member; it is not for SentinelMaster.
	URL string
	// Addresses holds one host:port; the port is 6379, or 26379 of a sentinel, where it is missing. Several are members
	// of a cluster, or the sentinels.
	Addresses []string
	// Cluster tells that the server is a member of a Redis Cluster; the store finds the others by itself.
	Cluster bool
	// SentinelMaster is the name by which sentinels know the master. Where it is set, Addresses are those of the
	// sentinels.
	SentinelMaster string
	// SentinelUsername and SentinelPassword are the credentials for the sentinels, where these want some.
	SentinelUsername, SentinelPassword string
	// WaitReplicas is how many replicas must have a write before a call is sent to a backend on the strength of it
	// (routing.Change.BeforeSend). Where nil it is 1 with SentinelMaster or Cluster, else 0.
	WaitReplicas *int
	// WaitTimeout is how long to wait for those replicas; half of Timeout where zero. It is shorter than Timeout.
	WaitTimeout time.Duration
	// Username and Password are the credentials; they may be part of the URL instead. A password without a user name
	// is the one of the default user.
	Username, Password string
	// DB is the number of the database; it may be part of the URL instead.
	DB int
	// TLS, where set, has all connections encrypted, those to sentinels too. With a URL its scheme must be rediss. A
	// rediss URL without it trusts the certificate authorities of the system. Without ServerName each certificate must
	// be for the host that is dialled: in a cluster, and behind sentinels, that is what the servers name each other by.
	TLS *tls.Config
	// KeyPrefix begins every key; "osb" where empty. It is printable and holds neither space nor brace.
	KeyPrefix string
	// Gateway is the name of the gateway, the second part of every key; "default" where empty.
	Gateway string
	// Timeout bounds each call, connecting included; 500 ms where zero. It bounds reads and writes of documents too.
	Timeout time.Duration
	// Observe, where set, is told of each call.
	Observe routing.Observer
}

// String shows the configuration without its secrets.
func (c Config) String() string {
	address := strings.Join(c.Addresses, " ")
	if c.URL != "" {
		address = "url"
		if server, err := parseURL(c.URL); err == nil {
			address = server.addresses[0]
		}
	}
	switch {
	case c.Cluster:
		address = "cluster " + address
	case c.SentinelMaster != "":
		address = fmt.Sprintf("master %q of sentinels %s", c.SentinelMaster, address)
	}
	return fmt.Sprintf("redis %s db %d prefix %q gateway %q", address, c.DB, c.KeyPrefix, c.Gateway)
}

// GoString is String, so that %#v shows no secrets either.
func (c Config) GoString() string { return c.String() }

// LogValue is String, for slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// server is where and as whom to connect.
type server struct {
	addresses          []string
	username, password string
	db                 int
	tls                bool
}

// check checks the configuration and returns where and as whom to connect. No error names a secret, nor any part of the
// URL: in a mistyped one the password may be anywhere.
func (c Config) check() (server, error) {
	target, err := c.server()
	switch {
	case err != nil:
		return server{}, err
	case c.Cluster && c.SentinelMaster != "":
		return server{}, errors.New("cluster and sentinel_master exclude each other")
	case c.SentinelMaster == "" && (c.SentinelUsername != "" || c.SentinelPassword != ""):
		return server{}, errors.New("credentials for sentinels come without sentinel_master")
	case c.SentinelUsername != "" && c.SentinelPassword == "":
		return server{}, errors.New("the username for the sentinels comes without a password")
	case c.SentinelMaster != "" && c.URL != "":
		return server{}, errors.New("a url names one server; with sentinel_master, give the sentinels by address")
	case len(target.addresses) > 1 && !c.Cluster && c.SentinelMaster == "":
		return server{}, fmt.Errorf("%d addresses need cluster or sentinel_master", len(target.addresses))
	case c.Cluster && target.db != 0:
		return server{}, fmt.Errorf("db %d is given, but a cluster has db 0 only", target.db)
	case c.Timeout < 0:
		return server{}, fmt.Errorf("timeout %s is negative", c.Timeout)
	case c.waitReplicas() < 0:
		return server{}, fmt.Errorf("wait_replicas %d is negative", c.waitReplicas())
	case c.WaitTimeout < 0 || c.WaitTimeout > 0 && c.WaitTimeout < time.Millisecond:
		return server{}, fmt.Errorf("the timeout of wait_replicas, %s, is less than a millisecond", c.WaitTimeout)
	case c.WaitTimeout >= c.timeout():
		return server{}, fmt.Errorf("the timeout of wait_replicas, %s, is not shorter than the timeout, %s",
			c.WaitTimeout, c.timeout())
	}
	for _, r := range c.KeyPrefix {
		if r <= ' ' || r > '~' || r == '{' || r == '}' {
			return server{}, fmt.Errorf("key prefix %q holds %q; it may hold printable ASCII but space and braces",
				c.KeyPrefix, r)
		}
	}
	return target, nil
}

// server reads the connection from the URL or from the other fields.
func (c Config) server() (server, error) {
	if c.DB < 0 {
		return server{}, fmt.Errorf("db %d is negative", c.DB)
	}
	if c.URL == "" {
		addresses, err := c.addresses()
		if err != nil {
			return server{}, err
		}
		if c.Username != "" && c.Password == "" {
			return server{}, errors.New("the username comes without a password")
		}
		return server{
			addresses: addresses, username: c.Username, password: c.Password, db: c.DB, tls: c.TLS != nil,
		}, nil
	}
	if len(c.Addresses) > 0 {
		return server{}, errors.New("url and address exclude each other")
	}
	target, err := parseURL(c.URL)
	switch {
	case err != nil:
		return server{}, err
	case c.TLS != nil && !target.tls:
		return server{}, errors.New("tls is configured, but the url begins with redis://; write rediss://")
	case c.Username != "" && target.username != "":
		return server{}, errors.New("the username stands both in the url and beside it")
	case c.Password != "" && target.password != "":
		return server{}, errors.New("the password stands both in the url and beside it")
	case c.DB != 0 && target.db != 0:
		return server{}, errors.New("the db stands both in the url and beside it")
	}
	if c.Username != "" {
		target.username = c.Username
	}
	if c.Password != "" {
		target.password = c.Password
	}
	if c.DB != 0 {
		target.db = c.DB
	}
	if target.username != "" && target.password == "" {
		return server{}, errors.New("the username comes without a password")
	}
	return target, nil
}

func (c Config) addresses() ([]string, error) {
	if len(c.Addresses) == 0 {
		return nil, errors.New("url or address is missing")
	}
	port := defaultPort
	if c.SentinelMaster != "" {
		port = defaultSentinelPort
	}
	var addresses []string
	for _, address := range c.Addresses {
		if strings.ContainsAny(address, "/@ ") {
			return nil, errors.New("the address is not host:port; credentials and schemes belong into a url")
		}
		address, err := withPort(address, port)
		if err != nil {
			return nil, err
		}
		if slices.Contains(addresses, address) {
			return nil, fmt.Errorf("the address %s stands there twice", address)
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

// withPort checks host[:port] and adds the port where it is missing. It repeats no part of it in errors.
func withPort(address, otherwise string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	var malformed *net.AddrError
	if errors.As(err, &malformed) && malformed.Err == "missing port in address" {
		host, port, err = net.SplitHostPort(net.JoinHostPort(strings.Trim(address, "[]"), otherwise))
	}
	if err != nil || host == "" {
		return "", errors.New("the address is not host:port")
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return "", errors.New("the port of the address is not a number from 1 to 65535")
	}
	return net.JoinHostPort(host, port), nil
}

func parseURL(raw string) (server, error) {
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Opaque != "" {
		return server{}, errors.New("the url is malformed; it is redis[s]://[user[:password]@]host[:port][/db], " +
			"with odd characters of user and password percent-encoded")
	}
	target := server{tls: parsed.Scheme == "rediss"}
	if !target.tls && parsed.Scheme != "redis" {
		return server{}, errors.New("the url begins neither with redis:// nor with rediss://")
	}
	if parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" {
		return server{}, errors.New("the url has a query or a fragment; " +
			"if it belongs to the password, percent-encode it")
	}
	address, err := withPort(parsed.Host, defaultPort)
	if err != nil {
		return server{}, fmt.Errorf("reading the url: %w", err)
	}
	target.addresses = []string{address}
	if parsed.User != nil {
		target.username = parsed.User.Username()
		target.password, _ = parsed.User.Password()
	}
	if db := strings.Trim(parsed.Path, "/"); db != "" {
		number, err := strconv.ParseUint(db, 10, 31)
		if err != nil {
			return server{}, errors.New("the path of the url is not the number of a db")
		}
		target.db = int(number)
	}
	return target, nil
}

func (c Config) timeout() time.Duration {
	if c.Timeout == 0 {
		return defaultTimeout
	}
	return c.Timeout
}

func (c Config) waitReplicas() int {
	switch {
	case c.WaitReplicas != nil:
		return *c.WaitReplicas
	case c.Cluster || c.SentinelMaster != "":
		return 1
	}
	return 0
}

func (c Config) waitTimeout() time.Duration {
	if c.WaitTimeout == 0 {
		return c.timeout() / 2
	}
	return c.WaitTimeout
}

func (c Config) layout() layout {
	prefix, gateway := c.KeyPrefix, c.Gateway
	if prefix == "" {
		prefix = defaultKeyPrefix
	}
	if gateway == "" {
		gateway = defaultGateway
	}
	return newLayout(prefix, gateway)
}
