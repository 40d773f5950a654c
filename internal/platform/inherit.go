package platform

import (
	"reflect"
	"slices"
)

// Inherit takes over what another Authenticator knows: which passwords are right of the credentials that both have, so
// that their costly hashes are not computed again, and the keys of the issuers whose source is the same, so that nobody
// waits for them, and they are there even if they cannot be had at the moment. It is for an Authenticator that nobody
// uses yet.
func (a *Authenticator) Inherit(before *Authenticator) {
	a.verifier = newVerifierWith(before.verifier.key)
	for user, known := range a.accounts {
		old, ok := before.accounts[user]
		if !ok || old.platform != known.platform {
			continue
		}
		for _, c := range known.credentials {
			same := func(other *credential) bool { return reflect.DeepEqual(other.hash, c.hash) }
			if i := slices.IndexFunc(old.credentials, same); i >= 0 {
				c.right.Store(old.credentials[i].right.Load())
			}
		}
	}
	for _, rule := range a.allRules() {
		same := func(other *tokenRule) bool { return other.keys.name == rule.keys.name }
		others := before.tokens[rule.issuer]
		if i := slices.IndexFunc(others, same); i >= 0 && rule.keys.current.Load() == nil {
			rule.keys.inherit(others[i].keys)
		}
	}
}
