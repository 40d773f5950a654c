package redisstore_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/redistest"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
	"github.com/osb-gateway/caddy-osb-gateway/routing/redisstore"
	"github.com/osb-gateway/caddy-osb-gateway/routing/storetest"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	plain := redistest.Shared(t).Addr
	encrypted, authorities := serveTLS(t, plain)
	trusting := &tls.Config{RootCAs: authorities}

	accepted := map[string]redisstore.Config{
		"address":     {Addresses: []string{encrypted}, TLS: trusting},
		"url":         {URL: "rediss://" + encrypted, TLS: trusting},
		"server name": {URL: "rediss://" + encrypted, TLS: &tls.Config{RootCAs: authorities, ServerName: "example.com"}},
	}
	for name, config := range accepted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config.KeyPrefix, config.Timeout = newPrefix(), patience
			store := open(t, config)
			swap(t, store, routing.Change{Key: routing.Key{Instance: "i"}, Instance: write("x")})
			wantInstance(t, store, "i", "x")
		})
	}

	refused := []struct {
		name   string
		config redisstore.Config
		want   string
	}{
		{
			"unknown authority",
			redisstore.Config{URL: "rediss://" + encrypted, Timeout: patience},
			"unknown authority",
		},
		{
			"wrong name",
			redisstore.Config{
				URL: "rediss://" + encrypted, Timeout: patience,
				TLS: &tls.Config{RootCAs: authorities, ServerName: "other.test"},
			},
			"not other.test",
		},
		{
			"plain to TLS",
			redisstore.Config{URL: "redis://u:" + secret + "@" + encrypted, Timeout: patience},
			"does it want TLS?",
		},
		// The server waits for the end of what it takes for a command.
		{
			"TLS to plain",
			redisstore.Config{URL: "rediss://u:" + secret + "@" + plain, Timeout: 2 * time.Second},
			"does it speak TLS on this port",
		},
	}
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store := open(t, test.config)
			_, err := store.Read(t.Context(), routing.Key{Instance: "i"})
			wantError(t, err, test.want)
			storetest.WantUnavailable(t.Context(), t, store)
		})
	}
}

// wantEncrypted uses a store on servers that speak nothing but TLS, all of them, and checks that a store which does not
// trust them, or does not speak TLS, is refused.
func wantEncrypted(t *testing.T, config redisstore.Config, servers *redistest.Certificate) {
	t.Helper()
	config.TLS = &tls.Config{RootCAs: servers.Authorities}
	store := open(t, config)
	awaitReady(t, storetest.Watch(t, store), 1)
	if err := store.Mark(t.Context(), "s", false); err != nil {
		t.Fatal(err)
	}
	if unmarked, _, err := store.Unmarked(t.Context(), "s"); unmarked != 0 || err != nil {
		t.Errorf("%d parts are not marked, %v", unmarked, err)
	}
	for n := range 16 {
		id := routing.InstanceID(strconv.Itoa(n))
		swap(t, store, beforeSend(id, routing.Snapshot{}, "x"))
		wantInstance(t, store, id, "x")
	}
	for _, encryption := range []*tls.Config{nil, {}} {
		config.TLS, config.Timeout = encryption, shortTimeout
		refused := open(t, config)
		_, err := refused.Read(t.Context(), routing.Key{Instance: "0"})
		if !isUnavailable(t, err) {
			t.Errorf("with the TLS configuration %v it is not refused", encryption)
		}
	}
}

func TestSentinelsOverTLS(t *testing.T) {
	t.Parallel()
	certificate := redistest.NewCertificate(t)
	servers := redistest.StartSentinel(t, redistest.Encrypted(certificate))
	wantEncrypted(t, throughSentinels(servers), certificate)
}

func TestClusterOverTLS(t *testing.T) {
	t.Parallel()
	certificate := redistest.NewCertificate(t)
	servers := redistest.StartCluster(t, redistest.Encrypted(certificate), redistest.Setting("cluster-node-timeout 60000"))
	wantEncrypted(t, onCluster(servers), certificate)
}

// serveTLS puts TLS before a server, and returns its address and who vouches for it.
func serveTLS(t *testing.T, target string) (address string, authorities *x509.CertPool) {
	t.Helper()
	donor := httptest.NewTLSServer(nil)
	certificates := donor.TLS.Certificates
	authorities = x509.NewCertPool()
	authorities.AddCert(donor.Certificate())
	donor.Close()
	return serve(t, func(connection net.Conn) {
		client := tls.Server(connection, &tls.Config{Certificates: certificates})
		server, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		go func() {
			_, _ = io.Copy(server, client)
			_ = server.Close()
		}()
		_, _ = io.Copy(client, server)
	}), authorities
}
