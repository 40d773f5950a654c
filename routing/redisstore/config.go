package redisstore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	defaultTimeout   = 500 * time.Millisecond
	defaultKeyPrefix = "osb"
	defaultGateway   = "default"
	defaultPort      = "6379"
)

// Config says which server a Store speaks to, and under which keys. It needs either a URL or one address.
type Config struct {
	// URL is redis://[user[:password]@]host[:port][/db], or rediss:// for TLS. Query and fragment are refused.
	URL string
	// Addresses holds one host:port; the port is 6379 where it is missing.
	Addresses []string
	// Username and Password are the credentials; they may be part of the URL instead. A password without a user name
	// is the one of the default user.
	Username, Password string
	// DB is the number of the database; it may be part of the URL instead.
	DB int
	// TLS, where set, has the connection encrypted. With a URL its scheme must be rediss. A rediss URL without it
	// trusts the certificate authorities of the system.
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
			address = server.address
		}
	}
	return fmt.Sprintf("redis %s db %d prefix %q gateway %q", address, c.DB, c.KeyPrefix, c.Gateway)
}

// GoString is String, so that %#v shows no secrets either.
func (c Config) GoString() string { return c.String() }

// LogValue is String, for slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// server is where and as whom to connect.
type server struct {
	address            string
	username, password string
	db                 int
	tls                bool
}

// options checks the configuration and turns it into options of the client. No error names a secret, nor any part of
// the URL: in a mistyped one the password may be anywhere.
func (c Config) options() (*redis.Options, error) {
	target, err := c.server()
	if err != nil {
		return nil, err
	}
	if c.Timeout < 0 {
		return nil, fmt.Errorf("timeout %s is negative", c.Timeout)
	}
	for _, r := range c.KeyPrefix {
		if r <= ' ' || r > '~' || r == '{' || r == '}' {
			return nil, fmt.Errorf("key prefix %q holds %q; it may hold printable ASCII but space and braces",
				c.KeyPrefix, r)
		}
	}
	timeout := c.timeout()
	options := &redis.Options{
		Addr:     target.address,
		Username: target.username,
		Password: target.password,
		DB:       target.db,
		// Nothing here needs RESP3, whose push messages would be looked for before each command.
		Protocol: 2,
		// The client repeats commands that may have run, a swap too. Nothing is sent twice here.
		MaxRetries:    -1,
		DialerRetries: 1,
		// Without it the client reads on after the deadline of the context.
		ContextTimeoutEnabled: true,
		// A little less, so that the caller is still there to hear why it failed.
		DialTimeout:     timeout / 10 * 9,
		ReadTimeout:     timeout,
		WriteTimeout:    timeout,
		PoolTimeout:     timeout,
		DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
	if target.tls {
		// The client reads it too, for its own decisions; the connections are made by the dialer.
		options.TLSConfig = c.tlsConfig(target.address)
	}
	options.Dialer = dialer(options.TLSConfig)
	return options, nil
}

// server reads the connection from the URL or from the other fields.
func (c Config) server() (server, error) {
	if c.DB < 0 {
		return server{}, fmt.Errorf("db %d is negative", c.DB)
	}
	if c.URL == "" {
		address, err := c.address()
		if err != nil {
			return server{}, err
		}
		if c.Username != "" && c.Password == "" {
			return server{}, errors.New("the username comes without a password")
		}
		return server{
			address: address, username: c.Username, password: c.Password, db: c.DB, tls: c.TLS != nil,
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

func (c Config) address() (string, error) {
	switch len(c.Addresses) {
	case 0:
		return "", errors.New("url or address is missing")
	case 1:
	default:
		return "", fmt.Errorf("%d addresses are given, but the store speaks to a single server", len(c.Addresses))
	}
	address := c.Addresses[0]
	if strings.ContainsAny(address, "/@ ") {
		return "", errors.New("the address is not host:port; credentials and schemes belong into a url")
	}
	return withPort(address)
}

// withPort checks host[:port] and adds the default port. It repeats no part of it in errors.
func withPort(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	var malformed *net.AddrError
	if errors.As(err, &malformed) && malformed.Err == "missing port in address" {
		host, port, err = net.SplitHostPort(net.JoinHostPort(strings.Trim(address, "[]"), defaultPort))
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
	if target.address, err = withPort(parsed.Host); err != nil {
		return server{}, fmt.Errorf("reading the url: %w", err)
	}
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

func (c Config) tlsConfig(address string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		config = c.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	return config
}

func (c Config) timeout() time.Duration {
	if c.Timeout == 0 {
		return defaultTimeout
	}
	return c.Timeout
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
