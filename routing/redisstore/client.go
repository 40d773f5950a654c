package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// connect makes the client. It dials nobody.
func (s *Store) connect(config Config, target server) {
	var encryption *tls.Config
	if target.tls {
		encryption = &tls.Config{MinVersion: tls.VersionTLS12}
		if config.TLS != nil {
			encryption = config.TLS.Clone()
		}
	}
	dial := dialer(encryption)
	options := redis.Options{
		Addr:     target.addresses[0],
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
		DialTimeout:  s.timeout / 10 * 9,
		ReadTimeout:  s.timeout,
		WriteTimeout: s.timeout,
		PoolTimeout:  s.timeout,
		// Pipelines take the same connections as everything else.
		PipelinePoolSize: -1,
		DisableIdentity:  true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
		// The client reads it too, for its own decisions; the connections are made by the dialer.
		TLSConfig: encryption,
		Dialer:    dial,
		OnConnect: s.onConnect,
	}
	switch {
	case config.Cluster:
		// A member that is a replica says where the master is, so there is no harm in asking it.
		options.OnConnect = s.onConnectToMember
		s.connectCluster(options, target.addresses)
	case config.SentinelMaster != "":
		s.sentinels = newSentinels(config, target.addresses, options)
		options.Addr = config.SentinelMaster
		options.Dialer = s.sentinels.dialMaster
		s.client = redis.NewClient(&options)
	default:
		s.client = redis.NewClient(&options)
	}
}

// onConnect is called on each new connection, after it was authenticated.
func (s *Store) onConnect(ctx context.Context, connection *redis.Conn) error {
	s.connected.Store(true)
	return refuseReplica(ctx, connection)
}

func (s *Store) onConnectToMember(context.Context, *redis.Conn) error {
	s.connected.Store(true)
	return nil
}

// A dial makes a connection, encrypted where that is configured.
type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// cluster is what the store needs of a Redis Cluster beside its client.
type cluster struct {
	client *redis.ClusterClient
	// redirected are clients of members that the client of the cluster was sent to and did not know.
	redirected *redirected
}

// refusalPause is how long to wait before a command is sent again that a member of a cluster refused for the moment.
const refusalPause = 20 * time.Millisecond

func (s *Store) connectCluster(options redis.Options, addresses []string) {
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                    addresses,
		Username:                 options.Username,
		Password:                 options.Password,
		Protocol:                 options.Protocol,
		MaxRetries:               options.MaxRetries,
		DialerRetries:            options.DialerRetries,
		ContextTimeoutEnabled:    options.ContextTimeoutEnabled,
		DialTimeout:              options.DialTimeout,
		ReadTimeout:              options.ReadTimeout,
		WriteTimeout:             options.WriteTimeout,
		PoolTimeout:              options.PoolTimeout,
		PipelinePoolSize:         options.PipelinePoolSize,
		DisableIdentity:          options.DisableIdentity,
		MaintNotificationsConfig: options.MaintNotificationsConfig,
		TLSConfig:                options.TLSConfig,
		Dialer:                   options.Dialer,
		OnConnect:                options.OnConnect,
		// They would have it ask the servers what each command does.
		DisableRoutingPolicies: true,
	})
	client.AddHook(onceHook{client})
	s.cluster = &cluster{client: client, redirected: newRedirected(options)}
	s.client = client
}

// onceHook keeps the client of a cluster from sending a command again that may have run. The client does so after
// errors of the network; redirections, which say that a command did not run, are followed all the same.
type onceHook struct {
	client *redis.ClusterClient
}

// once is a command that is not sent again.
type once struct{ redis.Cmder }

// NoRetry implements redis.Cmder.
func (once) NoRetry() bool { return true }

// DialHook implements redis.Hook.
func (onceHook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (h onceHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		for {
			err := next(ctx, once{command})
			h.learn(ctx, err)
			if !refusedForNow(err) || !pause(ctx) {
				return err
			}
		}
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h onceHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		all := make([]redis.Cmder, len(commands))
		for n, command := range commands {
			all[n] = once{command}
		}
		err := next(ctx, all)
		h.learn(ctx, err)
		return err
	}
}

// learn has the client look for the members anew when one cannot be reached: by itself it does so once a minute.
func (h onceHook) learn(ctx context.Context, err error) {
	if _, answered := errors.AsType[redis.Error](err); err != nil && !answered {
		h.client.ReloadState(ctx)
	}
}

// refusedForNow tells whether a member answered that it did not run a command because the keys are on their way to
// another member.
func refusedForNow(err error) bool {
	return err != nil && redis.HasErrorPrefix(err, "TRYAGAIN")
}

// pause waits before another attempt. It returns false when there is no time for one.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(refusalPause):
		return true
	}
}
