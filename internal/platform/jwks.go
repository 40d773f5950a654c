package platform

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// maxKeys bounds a set of keys.
const maxKeys = 128

// jwk is a JSON Web Key (RFC 7517), as far as it matters.
type jwk struct {
	Type       string   `json:"kty"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	ID         string   `json:"kid"`
	Modulus    string   `json:"n"`
	Exponent   string   `json:"e"`
	Curve      string   `json:"crv"`
	X          string   `json:"x"`
	Y          string   `json:"y"`
	// Private is the secret part, which has no place in what everybody may read.
	Private string `json:"d"`
}

// parseJWKS reads a JSON Web Key Set. Keys that are not for checking signatures, or that are not understood, are left
// out: a set may hold what others need. The reasons that it returns are for logs.
func parseJWKS(data []byte) (keys []publicKey, leftOut []string, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, nil, errors.New("it is not a JSON Web Key Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, nil, fmt.Errorf("it has more than %d keys", maxKeys)
	}
	for i, raw := range set.Keys {
		key, err := parseJWK(raw)
		if err != nil {
			leftOut = append(leftOut, fmt.Sprintf("key %d: %v", i+1, err))
			continue
		}
		if !slices.ContainsFunc(keys, func(other publicKey) bool { return other.digest == key.digest }) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, leftOut, errors.New("it has no key that tokens can be checked with")
	}
	return keys, leftOut, nil
}

func parseJWK(raw []byte) (publicKey, error) {
	var k jwk
	if err := json.Unmarshal(raw, &k); err != nil {
		return publicKey{}, errors.New("it is malformed")
	}
	switch {
	case k.Private != "":
		return publicKey{}, errors.New("its secret part is published with it")
	case k.Use != "" && k.Use != "sig", len(k.Operations) > 0 && !slices.Contains(k.Operations, "verify"):
		return publicKey{}, errors.New("it is not for signatures")
	case len(k.ID) > maxKeyIDBytes:
		return publicKey{}, errors.New("its id is too long")
	}
	if _, known := algorithmsOf[k.Algorithm]; k.Algorithm != "" && !known {
		return publicKey{}, errors.New("it is for an algorithm that tokens are not signed with")
	}
	key, err := k.publicKey()
	if err != nil {
		return publicKey{}, err
	}
	return newPublicKey(k.ID, k.Algorithm, key)
}

func (k *jwk) publicKey() (crypto.PublicKey, error) {
	malformed := errors.New("it is malformed")
	switch k.Type {
	case "RSA":
		modulus, errModulus := decodeKeyPart(k.Modulus)
		exponent, errExponent := decodeKeyPart(k.Exponent)
		e := new(big.Int).SetBytes(exponent)
		if errModulus != nil || errExponent != nil || len(modulus) > maxRSABits/8+1 || e.BitLen() > 31 {
			return nil, malformed
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(e.Int64())}, nil
	case "EC":
		curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Curve]
		if curve == nil {
			return nil, errors.New("it is on a curve that tokens are not signed with")
		}
		x, errX := decodeKeyPart(k.X)
		y, errY := decodeKeyPart(k.Y)
		bytes := (curve.Params().BitSize + 7) / 8
		if errX != nil || errY != nil || len(x) != bytes || len(y) != bytes {
			return nil, malformed
		}
		key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y)) // 4 says that both parts follow
		if err != nil {
			return nil, malformed
		}
		return key, nil
	case "OKP":
		x, err := decodeKeyPart(k.X)
		if k.Curve != "Ed25519" || err != nil || len(x) != ed25519.PublicKeySize {
			return nil, errors.New("it is not an Ed25519 key")
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, errors.New("it is of a kind that tokens are not signed with")
}

// decodeKeyPart reads a part of a key, which must be there.
func decodeKeyPart(s string) ([]byte, error) {
	data, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil && len(data) == 0 {
		err = errors.New("it is empty")
	}
	return data, err
}
