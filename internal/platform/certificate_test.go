package platform_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newEC(elliptic.P256())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{certificate, key}
}

// issue makes a certificate for a client, or for the server, with these names.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key := newEC(elliptic.P256())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "cf.example.net"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func fingerprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return hex.EncodeToString(sum[:])
}

// over calls a server over real TLS and returns what an Authenticator says there.
func over(t *testing.T, trusted *authority, mode tls.ClientAuthType, a *platform.Authenticator, header http.Header, client ...tls.Certificate) (string, error) {
	t.Helper()
	var got string
	var said error
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, said = a.Authenticate(r.Context(), r.Header, r.TLS)
	}))
	pool := x509.NewCertPool()
	pool.AddCert(trusted.certificate)
	server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{trusted.issue(t, nil)}, ClientAuth: mode, ClientCAs: pool,
	}
	server.StartTLS()
	defer server.Close()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: client, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequest(http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(request.Header, header)
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return got, said
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	trusted, stranger := newAuthority(t), newAuthority(t)
	named := func(c *x509.Certificate) {
		c.DNSNames = []string{"other.example.net", "CF.example.net", "*.wild.example.net"}
		spiffe, _ := url.Parse("spiffe://cluster/ns/osb/sa/cf")
		c.URIs = []*url.URL{spiffe}
	}
	pinned := stranger.issue(t, nil)
	plain := trusted.issue(t, nil)
	known, forged := trusted.issue(t, named), stranger.issue(t, named)
	expired := func(c *x509.Certificate) { named(c); c.NotAfter = time.Now().Add(-time.Minute) }
	future := func(c *x509.Certificate) { named(c); c.NotBefore = time.Now().Add(time.Minute) }
	old, early := stranger.issue(t, expired), stranger.issue(t, future)
	both := trusted.issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"cf.example.net", "k8s.example.net"} })
	a := mustNew(t,
		platform.Platform{Name: "cf", Certificates: []string{"dns:cf.example.net"}},
		platform.Platform{Name: "k8s", Certificates: []string{"dns:k8s.example.net"}, Basic: []platform.BasicCredential{
			{User: "k8s", Hash: argon2idOf("p")},
		}},
		platform.Platform{Name: "uri", Certificates: []string{"uri:spiffe://cluster/ns/osb/sa/cf"}},
		platform.Platform{Name: "pin", Certificates: []string{"sha256:" + fingerprint(pinned), "SHA256:" + withColons(fingerprint(old)), "sha256:" + fingerprint(early)}},
	)
	onlyDNS := mustNew(t, platform.Platform{Name: "cf", Certificates: []string{"dns:cf.example.net"}})
	onlyURI := mustNew(t, platform.Platform{Name: "uri", Certificates: []string{"uri:spiffe://cluster/ns/osb/sa/cf"}})
	noCerts := mustNew(t, platform.Platform{Name: "k8s", Basic: []platform.BasicCredential{{User: "k8s", Hash: argon2idOf("p")}}})
	const request, verify = tls.RequestClientCert, tls.RequireAndVerifyClientCert
	right, wrong := basic("k8s", "p"), basic("k8s", "wrong")
	for _, test := range []struct {
		name     string
		a        *platform.Authenticator
		mode     tls.ClientAuthType
		header   http.Header
		client   []tls.Certificate
		platform string
		conflict string
	}{
		{"name, verified", onlyDNS, verify, nil, []tls.Certificate{known}, "cf", ""},
		{"name, verified if given", onlyDNS, tls.VerifyClientCertIfGiven, nil, []tls.Certificate{known}, "cf", ""},
		{"name, not verified", onlyDNS, request, nil, []tls.Certificate{known}, "", ""},
		{"name in a certificate of one's own", onlyDNS, request, nil, []tls.Certificate{forged}, "", ""},
		{"URI, verified", onlyURI, verify, nil, []tls.Certificate{known}, "uri", ""},
		{"URI, not verified", onlyURI, tls.RequireAnyClientCert, nil, []tls.Certificate{forged}, "", ""},
		{"common name alone", onlyDNS, verify, nil, []tls.Certificate{plain}, "", ""},
		{"fingerprint, not verified", a, request, nil, []tls.Certificate{pinned}, "pin", ""},
		{"fingerprint, expired", a, request, nil, []tls.Certificate{old}, "", ""},
		{"fingerprint, not valid yet", a, request, nil, []tls.Certificate{early}, "", ""},
		{"another certificate", a, request, nil, []tls.Certificate{plain}, "", ""},
		{"none", a, request, nil, nil, "", ""},
		{"of two platforms", a, verify, nil, []tls.Certificate{both}, "", "certificate: cf k8s"},
		{"of two platforms by name and URI", a, verify, nil, []tls.Certificate{known}, "", "certificate: cf uri"},

		{"header alone", a, request, right, nil, "k8s", ""},
		{"header, and a certificate of nobody", a, request, right, []tls.Certificate{plain}, "k8s", ""},
		{"header, and a certificate of the same and another", a, verify, right, []tls.Certificate{both}, "k8s", ""},
		{"header, and a certificate of another", a, request, right, []tls.Certificate{pinned}, "", "Authorization header and certificate: k8s pin"},
		{"wrong header, and a right certificate", a, request, wrong, []tls.Certificate{pinned}, "", ""},
		{"malformed header, and a right certificate", a, request, http.Header{"Authorization": {"x"}}, []tls.Certificate{pinned}, "", ""},
		{"two headers, and a right certificate", a, request, http.Header{"Authorization": {right.Get("Authorization"), "x"}}, []tls.Certificate{pinned}, "", ""},
		{"no certificates configured", noCerts, request, right, []tls.Certificate{pinned}, "k8s", ""},
		{"no certificates configured, no header", noCerts, request, nil, []tls.Certificate{pinned}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := over(t, trusted, test.mode, test.a, test.header, test.client...)
			if got != test.platform || (err == nil) != (got != "") || err != nil && !errors.Is(err, platform.ErrUnauthorized) {
				t.Errorf("got %q, %v; want %q", got, err, test.platform)
			}
			said := ""
			if conflict, ok := errors.AsType[*platform.ConflictError](err); ok {
				said = conflict.What + ": " + strings.Join(conflict.Platforms, " ")
			}
			if said != test.conflict {
				t.Errorf("got the conflict %q, want %q", said, test.conflict)
			}
		})
	}
}

// withColons is a fingerprint as openssl prints it.
func withColons(digits string) string {
	var pairs []string
	for i := 0; i < len(digits); i += 2 {
		pairs = append(pairs, strings.ToUpper(digits[i:i+2]))
	}
	return strings.Join(pairs, ":")
}
