package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Certificate is what servers show that speak TLS. It is for 127.0.0.1 and signs itself.
type Certificate struct {
	// Authorities are who vouches for it.
	Authorities *x509.CertPool

	certificate, key string
}

// NewCertificate makes a certificate for one test.
func NewCertificate(t testing.TB) *Certificate {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis of a test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(24 * time.Hour),
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(signed)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	c := &Certificate{
		Authorities: x509.NewCertPool(),
		certificate: filepath.Join(folder, "certificate.pem"), key: filepath.Join(folder, "key.pem"),
	}
	c.Authorities.AddCert(parsed)
	for path, block := range map[string]*pem.Block{
		c.certificate: {Type: "CERTIFICATE", Bytes: signed}, c.key: {Type: "PRIVATE KEY", Bytes: encoded},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Encrypted has the server speak TLS only, to replicas, sentinels and other members of its cluster too.
func Encrypted(c *Certificate) Option {
	return func(s *Server) { s.encryption = c }
}

// TLS is how a client speaks to the server; nil where it does so without TLS.
func (s *Server) TLS() *tls.Config {
	if s.encryption == nil {
		return nil
	}
	return &tls.Config{RootCAs: s.encryption.Authorities, MinVersion: tls.VersionTLS12}
}

// listening are the lines of the configuration that say where the server listens.
func (s *Server) listening() []string {
	port := strconv.Itoa(s.port)
	if s.encryption == nil {
		return []string{"port " + port}
	}
	return []string{
		"port 0", "tls-port " + port,
		"tls-cert-file " + strconv.Quote(s.encryption.certificate),
		"tls-key-file " + strconv.Quote(s.encryption.key),
		"tls-ca-cert-file " + strconv.Quote(s.encryption.certificate),
		"tls-auth-clients no", "tls-replication yes", "tls-cluster yes",
	}
}
