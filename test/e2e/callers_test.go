package e2e_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/test/harness"
)

// authority signs certificates of this test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// issue makes a certificate; without an authority it signs itself.
func (a *authority) issue(t *testing.T, template *x509.Certificate) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, leaf
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCertificatesOfCallers has platforms that are told by their client certificates, over TLS.
func TestCertificatesOfCallers(t *testing.T) {
	t.Parallel()
	rootPair, root := (*authority)(nil).issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true,
	})
	ca := &authority{root, rootPair.PrivateKey.(*ecdsa.PrivateKey)}
	names := func(uri string, dns ...string) *x509.Certificate {
		template := &x509.Certificate{DNSNames: dns, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
		if uri != "" {
			parsed, err := url.Parse(uri)
			if err != nil {
				t.Fatal(err)
			}
			template.URIs = []*url.URL{parsed}
		}
		return template
	}
	serverPair, _ := ca.issue(t, names("", "broker.example.net"))
	byName, _ := ca.issue(t, names("", "cf.example.net"))
	byURI, _ := ca.issue(t, names("spiffe://cluster/controller"))
	forged, _ := (*authority)(nil).issue(t, names("", "cf.example.net"))
	pinned, pinnedLeaf := (*authority)(nil).issue(t, names("", "nobody.example.net"))
	both, _ := ca.issue(t, names("spiffe://cluster/controller", "cf.example.net"))
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverPair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	pin := sha256.Sum256(pinnedLeaf.Raw)

	w := brokersOnly(t, nil)
	block := fileStore + "\n" + harness.Platform("cf", "client_cert dns:cf.example.net\nunknown_instances reject") +
		"platform cluster {\n\tclient_cert uri:spiffe://cluster/controller\n\tunknown_instances reject\n}\n" +
		"platform pin {\n\tclient_cert sha256:" + hex.EncodeToString(pin[:]) + "\n\tunknown_instances reject\n}\n" + w.backends("")
	serverPEM := writePEM(t, "CERTIFICATE", serverPair.Certificate[0])
	keyPEM, rootPEM := writePEM(t, "PRIVATE KEY", keyDER), writePEM(t, "CERTIFICATE", root.Raw)
	site := func(mode string) (string, string) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		_ = listener.Close()
		address := "broker.example.net:" + port // Caddy compares the name of the host with that of the handshake
		pool := ""
		if mode != "require" {
			pool = "trust_pool file " + rootPEM
		}
		return "https://" + address, fmt.Sprintf("https://%s {\n\tbind 127.0.0.1\n\ttls %s %s {\n\t\tclient_auth {\n\t\t\tmode %s\n\t\t\t%s\n\t\t}\n\t}\n"+
			"osb_gateway {\n%s}\n}\n", address, serverPEM, keyPEM, mode, pool, block)
	}
	verifying, verifyingSite := site("verify_if_given")
	asking, askingSite := site("require")
	w.start(t, harness.Options{Block: block, Sites: verifyingSite + askingSite, Global: "auto_https off"})

	roots := x509.NewCertPool()
	roots.AddCert(root)
	call := func(base string, header http.Header, pair ...tls.Certificate) (int, string, error) {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{
				RootCAs: roots, MinVersion: tls.VersionTLS12,
				// Whether the server asked for a certificate of this authority or not.
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &append(pair, tls.Certificate{})[0], nil
				},
			},
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, strings.Replace(address, "broker.example.net", "127.0.0.1", 1))
			},
		}
		defer transport.CloseIdleConnections()
		request, err := http.NewRequest(http.MethodGet, base+"/v2/catalog", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(request.Header, header)
		response, err := transport.RoundTrip(request)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		return response.StatusCode, string(body), err
	}
	password := func(user, word string) http.Header {
		r := &http.Request{Header: make(http.Header)}
		r.SetBasicAuth(user, word)
		return r.Header
	}
	right, wrong := password(harness.User, harness.Password), password(harness.User, "wrong")
	for name, test := range map[string]struct {
		base   string
		header http.Header
		pair   []tls.Certificate
		status int // 0: the connection is refused
	}{
		"verified name":                      {verifying, nil, []tls.Certificate{byName}, 200},
		"verified URI":                       {verifying, nil, []tls.Certificate{byURI}, 200},
		"no certificate":                     {verifying, nil, nil, 401},
		"no certificate, a password":         {verifying, right, nil, 200},
		"forged name":                        {verifying, nil, []tls.Certificate{forged}, 0},
		"of two platforms":                   {verifying, nil, []tls.Certificate{both}, 401},
		"forged name, not verified":          {asking, nil, []tls.Certificate{forged}, 401},
		"right name, not verified":           {asking, nil, []tls.Certificate{byName}, 401},
		"fingerprint":                        {asking, nil, []tls.Certificate{pinned}, 200},
		"password and its certificate":       {verifying, right, []tls.Certificate{byName}, 200},
		"password and another's certificate": {verifying, right, []tls.Certificate{byURI}, 401},
		"password and another's fingerprint": {asking, right, []tls.Certificate{pinned}, 401},
		"wrong password, right certificate":  {asking, wrong, []tls.Certificate{pinned}, 401},
	} {
		status, body, err := call(test.base, test.header, test.pair...)
		if status != test.status || (err != nil) != (test.status == 0) {
			t.Errorf("%s: got %d %s, %v; want %d", name, status, body, err, test.status)
		}
	}
	// Once for each group, however often they come.
	for range 20 {
		_, _, _ = call(verifying, nil, both)
	}
	conflicts := make(map[string]int)
	for line := range bytes.Lines([]byte(w.Output())) {
		var entry struct {
			Msg, What string
			Platforms []string
		}
		if json.Unmarshal(line, &entry) == nil && strings.HasPrefix(entry.Msg, "credentials were refused because they stand for several") {
			conflicts[entry.What+": "+strings.Join(entry.Platforms, " ")]++
		}
	}
	for _, want := range []string{
		"certificate: cf cluster", "Authorization header and certificate: cf cluster", "Authorization header and certificate: cf pin",
	} {
		if conflicts[want] == 0 || conflicts[want] > 2 {
			t.Errorf("the log tells of %q %d times, want once a minute", want, conflicts[want])
		}
	}
}
