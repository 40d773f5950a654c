package platform

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// certificateRule says which client certificates stand for a platform: one with a fingerprint, or those with a name.
type certificateRule struct {
	platform string
	// kind is "sha256", "dns" or "uri"; what the value means depends on it.
	kind, value string
	fingerprint []byte
}

// parseCertificateRule reads sha256:<hex>, dns:<name> or uri:<uri>.
func parseCertificateRule(platform, text string) (certificateRule, error) {
	kind, value, _ := strings.Cut(text, ":")
	r := certificateRule{platform: platform, kind: strings.ToLower(kind), value: value}
	switch r.kind {
	case "sha256":
		fingerprint, err := hex.DecodeString(strings.ReplaceAll(value, ":", ""))
		if err != nil || len(fingerprint) != sha256.Size {
			return r, fmt.Errorf("client_cert %q: a fingerprint is the SHA-256 of the certificate, 64 hexadecimal digits; "+
				"see `openssl x509 -noout -fingerprint -sha256`", text)
		}
		r.fingerprint, r.value = fingerprint, hex.EncodeToString(fingerprint)
	case "dns":
		r.value = strings.ToLower(value)
		if value == "" || strings.ContainsAny(value, "*/:@ ") || strings.HasSuffix(value, ".") || !isPrintableASCII(value) {
			return r, fmt.Errorf("client_cert %q: it must be one host name, without a wildcard", text)
		}
	case "uri":
		parsed, err := url.Parse(value)
		if err != nil || parsed.Scheme == "" || parsed.String() != value {
			return r, fmt.Errorf("client_cert %q: it must be a URI as certificates have it, such as spiffe://cluster/ns/platform",
				text)
		}
	default:
		return r, fmt.Errorf("client_cert %q: it is sha256:<hex>, dns:<name> or uri:<uri>", text)
	}
	return r, nil
}

func isPrintableASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// certificateOf returns the certificate that a client has shown and proved to have the key of. verified tells that a
// chain leads from it to an authority that the server trusts.
func certificateOf(state *tls.ConnectionState) (leaf *x509.Certificate, verified bool) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil, false
	}
	leaf = state.PeerCertificates[0]
	for _, chain := range state.VerifiedChains {
		if len(chain) > 0 && chain[0].Equal(leaf) {
			return leaf, true
		}
	}
	return leaf, false
}

// matches tells whether a certificate is one of the rule's. A fingerprint stands for the one certificate. A name can be
// written by anybody into a certificate of his own, so it counts only in one that was verified.
func (r certificateRule) matches(leaf *x509.Certificate, verified bool) bool {
	switch {
	case r.kind == "sha256":
		fingerprint := sha256.Sum256(leaf.Raw)
		return bytes.Equal(fingerprint[:], r.fingerprint)
	case !verified:
		return false
	case r.kind == "dns":
		return slices.ContainsFunc(leaf.DNSNames, func(name string) bool { return strings.EqualFold(name, r.value) })
	default:
		return slices.ContainsFunc(leaf.URIs, func(u *url.URL) bool { return u.String() == r.value })
	}
}

// certificate returns the platforms that the client's certificate stands for, and whether there is one at all. A
// certificate counts only while it is valid, however it is recognised.
func (a *Authenticator) certificate(state *tls.ConnectionState) (platforms []string, shown bool) {
	if len(a.certificates) == 0 {
		return nil, false
	}
	leaf, verified := certificateOf(state)
	if leaf == nil {
		return nil, false
	}
	now := time.Now()
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return nil, true
	}
	for _, rule := range a.certificates {
		if !slices.Contains(platforms, rule.platform) && rule.matches(leaf, verified) {
			platforms = append(platforms, rule.platform)
		}
	}
	return platforms, true
}

// addCertificates takes over the certificates of a platform.
func (a *Authenticator) addCertificates(p Platform) error {
	var problems []error
	for _, text := range p.Certificates {
		rule, err := parseCertificateRule(p.Name, text)
		for _, other := range a.certificates {
			switch {
			case err != nil || other.kind != rule.kind || other.value != rule.value:
			case other.platform == p.Name:
				err = fmt.Errorf("client_cert %q is there twice", text)
			default:
				err = fmt.Errorf("client_cert %q belongs to platform %q already", text, other.platform)
			}
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("platform %q: %w", p.Name, err))
			continue
		}
		a.certificates = append(a.certificates, rule)
	}
	return errors.Join(problems...)
}
