package redisstore_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
)

// secret is in every configuration that has a password, and in no error, log line or printed configuration.
const secret = "s3cret"

func TestConfigIsAccepted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config redisstore.Config
	}{
		{"address", redisstore.Config{Addresses: []string{"redis.example.com:6380"}}},
		{"address without port", redisstore.Config{Addresses: []string{"redis.example.com"}}},
		{"address of IPv6", redisstore.Config{Addresses: []string{"[::1]:6379"}}},
		{"address of IPv6 without port", redisstore.Config{Addresses: []string{"[::1]"}}},
		{"everything", redisstore.Config{
			Addresses: []string{"localhost:6379"}, Username: "u", Password: secret, DB: 3, TLS: &tls.Config{},
			KeyPrefix: "a:b", Gateway: "ö {}", Timeout: time.Second,
		}},
		{"url", redisstore.Config{URL: "redis://localhost"}},
		{"url with everything", redisstore.Config{URL: "rediss://u:" + secret + "%2F%40@localhost:6380/15"}},
		{"url of IPv6", redisstore.Config{URL: "redis://[::1]:6379/"}},
		{"url with password beside it", redisstore.Config{URL: "redis://u@localhost", Password: secret}},
		{"cluster", redisstore.Config{Addresses: []string{"a", "b:1", "[::1]"}, Cluster: true}},
		{"cluster by url", redisstore.Config{URL: "rediss://u:" + secret + "@localhost", Cluster: true}},
		{"sentinels", redisstore.Config{
			Addresses: []string{"a", "b"}, SentinelMaster: "m", SentinelUsername: "u", SentinelPassword: secret,
			Username: "u", Password: secret, DB: 3, WaitReplicas: new(5), WaitTimeout: time.Millisecond,
		}},
		{"no replicas", redisstore.Config{Addresses: []string{"a"}, Cluster: true, WaitReplicas: new(0)}},
		{"url with TLS", redisstore.Config{URL: "rediss://localhost", TLS: &tls.Config{ServerName: "other"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			open(t, test.config)
		})
	}
}

func TestConfigIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config redisstore.Config
		want   string
	}{
		{"nothing", redisstore.Config{}, "url or address is missing"},
		{"both", redisstore.Config{URL: "redis://localhost", Addresses: []string{"localhost:6379"}}, "exclude each other"},
		{"two addresses", redisstore.Config{Addresses: []string{"a:1", "b:1"}}, "need cluster or sentinel_master"},
		{"an address twice", redisstore.Config{Addresses: []string{"a", "a:6379"}, Cluster: true}, "twice"},
		{"cluster and sentinels", redisstore.Config{
			Addresses: []string{"a:1"}, Cluster: true, SentinelMaster: "m",
		}, "exclude each other"},
		{"cluster with db", redisstore.Config{Addresses: []string{"a:1"}, Cluster: true, DB: 1}, "db 0 only"},
		{"cluster with db in the url", redisstore.Config{URL: "redis://a:1/1", Cluster: true}, "db 0 only"},
		{"sentinels by url", redisstore.Config{URL: "redis://a:1", SentinelMaster: "m"}, "by address"},
		{"password for no sentinels", redisstore.Config{
			Addresses: []string{"a:1"}, SentinelPassword: secret,
		}, "without sentinel_master"},
		{"user for no sentinels", redisstore.Config{
			Addresses: []string{"a:1"}, SentinelUsername: "u",
		}, "without sentinel_master"},
		{"user without password for sentinels", redisstore.Config{
			Addresses: []string{"a:1"}, SentinelMaster: "m", SentinelUsername: "u",
		}, "without a password"},
		{"negative replicas", redisstore.Config{Addresses: []string{"a:1"}, WaitReplicas: new(-1)}, "negative"},
		{"wait as long as the timeout", redisstore.Config{
			Addresses: []string{"a:1"}, WaitTimeout: time.Second, Timeout: time.Second,
		}, "not shorter"},
		{"wait as long as the default timeout", redisstore.Config{
			Addresses: []string{"a:1"}, WaitTimeout: 500 * time.Millisecond,
		}, "not shorter"},
		{"wait of nearly nothing", redisstore.Config{
			Addresses: []string{"a:1"}, WaitTimeout: time.Microsecond,
		}, "less than a millisecond"},
		{"address with bad port", redisstore.Config{Addresses: []string{"localhost:x"}}, "port"},
		{"address with port 0", redisstore.Config{Addresses: []string{"localhost:0"}}, "port"},
		{"address with large port", redisstore.Config{Addresses: []string{"localhost:65536"}}, "port"},
		{"address without host", redisstore.Config{Addresses: []string{":6379"}}, "not host:port"},
		{"address that is a url", redisstore.Config{Addresses: []string{"redis://u:" + secret + "@h:1"}}, "not host:port"},
		{"address with password", redisstore.Config{Addresses: []string{secret + "@h:1"}}, "not host:port"},
		{"malformed address", redisstore.Config{Addresses: []string{"a:" + secret + ":1"}}, "not host:port"},
		{"negative db", redisstore.Config{Addresses: []string{"h:1"}, DB: -1}, "db -1 is negative"},
		{"negative timeout", redisstore.Config{Addresses: []string{"h:1"}, Timeout: -1}, "negative"},
		{"user without password", redisstore.Config{Addresses: []string{"h:1"}, Username: "u"}, "without a password"},
		{"prefix with brace", redisstore.Config{Addresses: []string{"h:1"}, KeyPrefix: "a{b}"}, "key prefix"},
		{"prefix with space", redisstore.Config{Addresses: []string{"h:1"}, KeyPrefix: "a b"}, "key prefix"},
		{"prefix with control character", redisstore.Config{Addresses: []string{"h:1"}, KeyPrefix: "a\x00"}, "key prefix"},
		{"prefix beyond ASCII", redisstore.Config{Addresses: []string{"h:1"}, KeyPrefix: "ä"}, "key prefix"},

		{"url without scheme", redisstore.Config{URL: "u:" + secret + "@localhost"}, "url"},
		{"url of another scheme", redisstore.Config{URL: "http://u:" + secret + "@localhost"}, "neither with redis://"},
		{"url without slashes", redisstore.Config{URL: "redis:" + secret + "@localhost"}, "malformed"},
		{"url without host", redisstore.Config{URL: "redis://u:" + secret + "@/1"}, "not host:port"},
		{"url with bad port", redisstore.Config{URL: "redis://u:x@localhost:" + secret}, "malformed"},
		{"url with bad db", redisstore.Config{URL: "redis://u:x@localhost/" + secret}, "number of a db"},
		{"url with negative db", redisstore.Config{URL: "redis://localhost/-1"}, "number of a db"},
		{"url with path", redisstore.Config{URL: "redis://localhost/1/2"}, "number of a db"},
		{"url with query", redisstore.Config{URL: "redis://localhost?password=" + secret}, "query"},
		{"url with fragment", redisstore.Config{URL: "redis://localhost#" + secret}, "fragment"},
		{"url with slash in password", redisstore.Config{URL: "redis://u:" + secret + "/x@localhost"}, "url"},
		{"url with hash in password", redisstore.Config{URL: "redis://u:" + secret + "#x@localhost"}, "url"},
		{"url with question mark in password", redisstore.Config{URL: "redis://u:" + secret + "?x@localhost"}, "url"},
		{"url with bad escape", redisstore.Config{URL: "redis://u:" + secret + "%zz@localhost"}, "malformed"},
		{"url with control character", redisstore.Config{URL: "redis://u:" + secret + "\x00@localhost"}, "malformed"},
		{"url with user only", redisstore.Config{URL: "redis://" + secret + "@localhost"}, "without a password"},
		{"two user names", redisstore.Config{
			URL: "redis://u:" + secret + "@h", Username: "u",
		}, "username stands both"},
		{"two passwords", redisstore.Config{URL: "redis://u:" + secret + "@h", Password: secret}, "password stands both"},
		{"two dbs", redisstore.Config{URL: "redis://h/1", DB: 2}, "db stands both"},
		{"TLS with a plain url", redisstore.Config{URL: "redis://h", TLS: &tls.Config{}}, "write rediss://"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store, err := redisstore.New(test.config)
			if err == nil {
				_ = store.Close()
				t.Fatal("got no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want it to say %q", err, test.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds the secret: %q", err)
			}
		})
	}
}

func TestConfigIsPrintedWithoutSecrets(t *testing.T) {
	t.Parallel()
	configs := []redisstore.Config{
		{Addresses: []string{"localhost:6379"}, Password: secret},
		{URL: "redis://u:" + secret + "@localhost:6379", Cluster: true},
		{Addresses: []string{"localhost:26379"}, SentinelMaster: "m", SentinelPassword: secret, Password: secret},
		{URL: "redis://u:" + secret + "@localhost:6379"},
		{URL: "redis://u:" + secret + "#broken@localhost:6379"},
		{URL: secret},
	}
	for _, config := range configs {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("configured", "config", config)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("configured", "config", config)
		printed := fmt.Sprintf("%v %+v %#v %s %v %+v", config, config, config, config, &config, []any{config}) + log.String()
		if strings.Contains(printed, secret) {
			t.Errorf("the secret shows in %s", printed)
		}
	}
	if got, want := fmt.Sprint(configs[1]), "cluster localhost:6379"; !strings.Contains(got, want) {
		t.Errorf("got %q, want it to say %q", got, want)
	}
}
