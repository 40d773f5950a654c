package caddymodule_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// writeCertificate makes a certificate that signs itself, and returns the paths of it and of its key.
func writeCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis.internal"}, IsCA: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	der2, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	certificate, key = filepath.Join(directory, "cert.pem"), filepath.Join(directory, "key.pem")
	for path, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: der2},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

func TestStoreTLSFiles(t *testing.T) {
	useOwnDirectories(t)
	certificate, key := writeCertificate(t)
	_, otherKey := writeCertificate(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, lines string
		want        []string
	}{
		{"All", "ca " + certificate + "\ncert " + certificate + "\nkey " + key, nil},
		{"OnlyCA", "ca " + certificate, nil},
		{"MissingCA", "ca /nowhere/ca.pem", []string{"store redis tls ca: ", "/nowhere/ca.pem"}},
		{"EmptyCA", "ca " + empty, []string{"store redis tls ca: there is no certificate in " + empty}},
		{"KeyAsCA", "ca " + key, []string{"there is no certificate in " + key}},
		{"CertWithoutKey", "cert " + certificate, []string{"store redis tls: `cert` and `key` go together"}},
		{"KeyWithoutCert", "key " + key, []string{"`cert` and `key` go together"}},
		{"MissingCert", "cert /nowhere/cert.pem\nkey " + key, []string{"store redis tls cert: ", "/nowhere/cert.pem"}},
		{"MissingKey", "cert " + certificate + "\nkey /nowhere/key.pem", []string{"store redis tls key: ", "/nowhere/key.pem"}},
		{"OtherKey", "cert " + certificate + "\nkey " + otherKey, []string{"store redis tls cert: ", "does not match"}},
		{"EmptyCert", "cert " + empty + "\nkey " + key, []string{"store redis tls cert: "}},
		{"SeveralProblems", "ca /nowhere/ca.pem\ncert /nowhere/cert.pem\nkey " + key, []string{
			"/nowhere/ca.pem", "/nowhere/cert.pem",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := validate(t, site("store redis {\naddress host\ntls {\n"+test.lines+"\n}\n}\n"+platformBlock+backendBlock))
			if test.want == nil {
				if err != nil {
					t.Errorf("validating: %v", err)
				}
				return
			}
			checkProblem(t, err, test.want...)
		})
	}
}
