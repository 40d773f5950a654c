package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	// errReplica is the cause of errors of a connection that leads to a replica.
	errReplica = errors.New("the server is a replica; point the store to the master")
	// errHandshake is the cause of errors of a connection on which TLS could not be agreed upon.
	errHandshake = errors.New("agreeing on TLS with the server failed; " +
		"does it speak TLS on this port, with a certificate that the store trusts?")
)

// keepAlive finds dead connections before the idle limits of common balancers and firewalls do.
var keepAlive = net.KeepAliveConfig{
	Enable:   true,
	Idle:     30 * time.Second,
	Interval: 5 * time.Second,
	Count:    3,
}

// dialer returns what the client connects with; config is nil for a connection without TLS. Unlike the one of the
// client it minds the deadline during the TLS handshake. Without a name in config the certificate must be for the host
// that is dialled.
func dialer(config *tls.Config) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		plain := net.Dialer{KeepAliveConfig: keepAlive}
		connection, err := plain.DialContext(ctx, network, address)
		if err != nil || config == nil {
			return connection, err
		}
		config := config
		if config.ServerName == "" {
			config = config.Clone()
			config.ServerName, _, _ = net.SplitHostPort(address)
		}
		encrypted := tls.Client(connection, config)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			_ = connection.Close()
			return nil, fmt.Errorf("%w: %w", errHandshake, err)
		}
		return encrypted, nil
	}
}

// refuseReplica is called on each new connection. A replica answers reads, and late: a record that it does not have yet
// would be taken for absent. Servers that do not tell their role are trusted.
func refuseReplica(ctx context.Context, connection *redis.Conn) error {
	command := redis.NewSliceCmd(ctx, "ROLE")
	err := connection.Process(ctx, command)
	if answer, ok := errors.AsType[redis.Error](err); ok {
		if text := answer.Error(); strings.HasPrefix(text, "ERR") || strings.HasPrefix(text, "NOPERM") {
			return nil
		}
	}
	if err != nil {
		return err
	}
	if role := command.Val(); len(role) > 0 && role[0] == "slave" {
		return errReplica
	}
	return nil
}
