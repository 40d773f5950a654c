package routing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// identityDocument is the name of the document that holds a store's identity.
const identityDocument = "identity"

// identityVersion is the version of the identity document that this package writes.
const identityVersion = 1

// maxReplaced bounds how many earlier identities of a store are remembered.
const maxReplaced = 64

// Identity is what a store says about which one it is. It is given to a store once, and is gone when the store was
// wiped.
type Identity struct {
	Version int    `json:"v"`
	ID      string `json:"id"`
	// Replaces are the identities of stores in whose place an operator accepted this one, the latest first.
	Replaces []string `json:"replaces,omitempty"`
	// Marked: every part of the store was given the identity. Who finds it unset does so.
	Marked bool `json:"marked"`
	// Created is when the store was given the identity; Accepted when an operator said so, zero if the store was new.
	Created  time.Time `json:"created_at"`
	Accepted time.Time `json:"accepted_at,omitzero"`

	unknown unknownFields
}

// identityFields has Identity's fields but not its methods.
type identityFields Identity

// DecodeIdentity reads an identity document. Its errors match ErrBadDocument.
func DecodeIdentity(data []byte) (*Identity, error) {
	const what = "the identity of the store"
	identity := new(Identity)
	var err error
	if identity.unknown, err = decodeFields(what, data, identityVersion, (*identityFields)(identity)); err != nil {
		return nil, err
	}
	if identity.ID == "" || slices.Contains(identity.Replaces, "") {
		return nil, fmt.Errorf("%w: %s is damaged: an id in it is empty", ErrBadDocument, what)
	}
	return identity, nil
}

// Encode returns the document.
func (i *Identity) Encode() ([]byte, error) { return encodeFields((*identityFields)(i), i.unknown) }

// follows tells whether a gateway that knows the store by an id finds the same store here, or one that was accepted in
// its place.
func (i *Identity) follows(known string) bool {
	return known == "" || i.ID == known || slices.Contains(i.Replaces, known)
}

// The reasons for which a store is not believed.
var (
	// ErrNoIdentity: the store carries none, although one is known: it was wiped, or it is another one. Where the
	// identity is pinned it may also be new.
	ErrNoIdentity = errors.New("the store carries no identity")
	// ErrOtherIdentity: the store carries another one, that was not accepted in place of the known one.
	ErrOtherIdentity = errors.New("the store carries another identity")
)

// Known is what a gateway knows of its store before it looks.
type Known struct {
	// ID is the identity that the store must have; empty if the gateway never saw one.
	ID string
	// Pinned: the operator chose the ID, so that a store without any may not be given one of the gateway's choice.
	Pinned bool
}

// Finding is what a look at a store's identity found.
type Finding struct {
	// ID is the identity that the store must have from now on, to be remembered and expected. It is what was known if
	// Trouble is set.
	ID string
	// Found is what the store carries; empty for none.
	Found string
	// Made: the store was new and was given the identity.
	Made bool
	// Trouble is why the store is not believed: ErrNoIdentity or ErrOtherIdentity; nil if it is.
	Trouble error
}

// Identifier finds out which store a store is. Any number of them, in any number of processes, may look at one store.
type Identifier struct {
	Store Store
	// NewID makes an identity.
	NewID func() string
}

// maxIdentityAttempts bounds how often an identity is read anew because somebody else wrote it.
const maxIdentityAttempts = 10

// Establish finds out whether the store is the one that is known. A new store, of which nothing is known, is given an
// identity; of several gateways that do so at once the first wins. The error matches ErrUnavailable or ErrBadDocument:
// then nothing was found out.
func (i Identifier) Establish(ctx context.Context, known Known) (Finding, error) {
	for range maxIdentityAttempts {
		document, identity, err := i.read(ctx)
		if err != nil {
			return Finding{}, err
		}
		switch {
		case identity == nil && known.ID != "":
			return Finding{ID: known.ID, Trouble: ErrNoIdentity}, nil
		case identity == nil:
			made := &Identity{Version: identityVersion, ID: i.NewID(), Created: time.Now().UTC().Truncate(time.Second)}
			var ours bool
			if document, ours, err = i.write(ctx, document, made); err != nil {
				return Finding{}, err
			}
			if !ours {
				continue
			}
			return Finding{ID: made.ID, Found: made.ID, Made: true}, i.mark(ctx, document, made)
		case !identity.follows(known.ID):
			return Finding{ID: known.ID, Found: identity.ID, Trouble: ErrOtherIdentity}, nil
		}
		finding := Finding{ID: identity.ID, Found: identity.ID}
		if identity.Marked {
			return finding, nil
		}
		return finding, i.mark(ctx, document, identity)
	}
	return Finding{}, fmt.Errorf("%w: the store's identity kept changing", ErrUnavailable)
}

// Accept takes the store as it is: a store that is not the known one gets a new identity, or the pinned one, that
// replaces the known one and the one found, and each part of it is marked. A store that is the known one has its
// unmarked parts marked. It may be repeated, and done by several gateways at once: each ends with the same identity. A
// damaged identity is replaced, one of a newer version is not. The error matches ErrUnavailable or ErrBadDocument.
func (i Identifier) Accept(ctx context.Context, known Known) (Finding, error) {
	for range maxIdentityAttempts {
		document, identity, err := i.read(ctx)
		if err != nil && !errors.Is(err, errDamagedIdentity) {
			return Finding{}, err
		}
		if identity != nil && identity.follows(known.ID) {
			return Finding{ID: identity.ID, Found: identity.ID}, i.replaceMarks(ctx, document, identity)
		}
		now := time.Now().UTC().Truncate(time.Second)
		accepted := &Identity{Version: identityVersion, Created: now, Accepted: now}
		if known.Pinned {
			accepted.ID = known.ID
		} else {
			accepted.ID = i.NewID()
			accepted.replace(known.ID)
		}
		found := ""
		if identity != nil {
			found, accepted.unknown = identity.ID, identity.unknown
			accepted.replace(identity.ID)
			accepted.replace(identity.Replaces...)
		}
		document, ours, err := i.write(ctx, document, accepted)
		if err != nil {
			return Finding{}, err
		}
		if ours {
			return Finding{ID: accepted.ID, Found: found}, i.mark(ctx, document, accepted)
		}
	}
	return Finding{}, fmt.Errorf("%w: the store's identity kept changing", ErrUnavailable)
}

// replace notes earlier identities.
func (i *Identity) replace(ids ...string) {
	for _, id := range ids {
		if id != "" && id != i.ID && !slices.Contains(i.Replaces, id) && len(i.Replaces) < maxReplaced {
			i.Replaces = append(i.Replaces, id)
		}
	}
}

// errDamagedIdentity is a document that is of no version at all.
var errDamagedIdentity = fmt.Errorf("%w: not an identity", ErrBadDocument)

func (i Identifier) read(ctx context.Context) (Document, *Identity, error) {
	document, err := i.Store.ReadDocument(ctx, identityDocument)
	if err != nil || document.Version == 0 {
		return document, nil, err
	}
	identity, err := DecodeIdentity(document.Data)
	if err != nil && !newerDocument(document.Data, identityVersion) {
		err = fmt.Errorf("%w: %w", errDamagedIdentity, err)
	}
	return document, identity, err
}

func (i Identifier) write(ctx context.Context, old Document, identity *Identity) (Document, bool, error) {
	data, err := identity.Encode()
	if err != nil {
		return Document{}, false, fmt.Errorf("%w: encoding the store's identity: %w", ErrUnavailable, err)
	}
	return i.Store.SwapDocument(ctx, identityDocument, old.Version, data)
}

// mark gives each part of the store the identity, and notes that it was done. On a store that an operator accepted it
// takes the place of others; on a new one another is a sign that the store was not new.
func (i Identifier) mark(ctx context.Context, document Document, identity *Identity) error {
	if err := i.Store.Mark(ctx, identity.ID, !identity.Accepted.IsZero()); err != nil {
		return err
	}
	marked := *identity
	marked.Marked = true
	_, _, err := i.write(ctx, document, &marked) // if somebody else was first, then with the same, or with a later identity
	return err
}

// replaceMarks gives each part of an accepted store the identity, whatever is there.
func (i Identifier) replaceMarks(ctx context.Context, document Document, identity *Identity) error {
	if err := i.Store.Mark(ctx, identity.ID, true); err != nil || identity.Marked {
		return err
	}
	marked := *identity
	marked.Marked = true
	_, _, err := i.write(ctx, document, &marked)
	return err
}
