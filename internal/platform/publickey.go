package platform

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The bounds on the size of RSA keys. Below they are weak; above they cost more than anybody needs.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// algorithmsOf lists the algorithms that tokens may be signed with, and what they need of a key. There is none here
// without a signature or with a shared secret, so that no configuration can allow one.
var algorithmsOf = map[string]elliptic.Curve{
	"RS256": nil, "RS384": nil, "RS512": nil, "PS256": nil, "PS384": nil, "PS512": nil,
	"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521(),
	"EdDSA": nil,
}

// publicKey is a key that signatures of tokens can be checked with.
type publicKey struct {
	// id is its name in the set; files give none.
	id string
	// algorithm is the only one that it may be used for, if it says so.
	algorithm string
	key       crypto.PublicKey
	// digest is that of the key, its name and its algorithm.
	digest [sha256.Size]byte
	// until is when it ends, if it has left the set.
	until time.Time
}

// newPublicKey checks a key and returns it.
func newPublicKey(id, algorithm string, key crypto.PublicKey) (publicKey, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return publicKey{}, fmt.Errorf("it has %d bits; RSA keys have %d to %d", bits, minRSABits, maxRSABits)
		}
		if key.E < 3 || key.E%2 == 0 {
			return publicKey{}, errors.New("it has an exponent that RSA does not allow")
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return publicKey{}, errors.New("it is neither RSA, ECDSA nor Ed25519")
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return publicKey{}, errors.New("it is on a curve that tokens are not signed with")
	}
	k := publicKey{id: id, algorithm: algorithm, key: key}
	if !slices.ContainsFunc(algorithmNames(), k.fits) {
		return publicKey{}, errors.New("it fits no algorithm that tokens are signed with")
	}
	k.digest = sha256.Sum256(fmt.Appendf(der, "\x00%q %q", id, algorithm))
	return k, nil
}

// fits tells whether the key is of the kind that the algorithm needs, and may be used with it.
func (k publicKey) fits(algorithm string) bool {
	curve, known := algorithmsOf[algorithm]
	if !known || k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return curve != nil && key.Curve == curve
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// algorithmNames are the algorithms that there are, in order.
func algorithmNames() []string {
	names := make([]string, 0, len(algorithmsOf))
	for name := range algorithmsOf {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
