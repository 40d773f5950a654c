package platform

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

const (
	// maxKeyFileBytes and maxFileKeys bound a file of keys. Every key that fits is tried, because files give no names.
	maxKeyFileBytes = 1 << 20
	maxFileKeys     = 8
	// keyFileCheck is how often the file is read again.
	keyFileCheck = time.Minute
)

// keyFile is a file with public keys in PEM.
type keyFile string

func (f keyFile) load(context.Context) (loadedKeys, error) {
	keys, err := f.read()
	if err != nil {
		return loadedKeys{}, fmt.Errorf("key_file: %w", err)
	}
	return loadedKeys{keys: keys, next: keyFileCheck}, nil
}

func (f keyFile) read() ([]publicKey, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxKeyFileBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxKeyFileBytes:
		return nil, errors.New("it is larger than 1 MiB")
	}
	return parsePEM(data)
}

// parsePEM reads public keys and certificates. What else stands there is an error: nobody puts it there on purpose.
func parsePEM(data []byte) ([]publicKey, error) {
	var keys []publicKey
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var key crypto.PublicKey
		var err error
		switch {
		case block.Type == "PUBLIC KEY":
			key, err = x509.ParsePKIXPublicKey(block.Bytes)
		case block.Type == "RSA PUBLIC KEY":
			key, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case block.Type == "CERTIFICATE":
			var certificate *x509.Certificate
			if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
				key = certificate.PublicKey
			}
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, errors.New("it holds a private key; the gateway needs the public one only")
		default:
			return nil, fmt.Errorf("it holds a %q; it must be public keys or certificates", block.Type)
		}
		if err != nil {
			return nil, fmt.Errorf("key %d is malformed", len(keys)+1)
		}
		parsed, err := newPublicKey("", "", key)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(keys)+1, err)
		}
		if keys = append(keys, parsed); len(keys) > maxFileKeys {
			return nil, fmt.Errorf("it has more than %d keys", maxFileKeys)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no public key in PEM")
	}
	return keys, nil
}
