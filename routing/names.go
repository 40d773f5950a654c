package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// NamesDocument is the name of the document that holds the registry of names.
const NamesDocument = "names"

// namesVersion is the version of the registry that this package writes.
const namesVersion = 1

// Day is a day in UTC, such as 2026-11-20.
type Day string

// DayOf returns the day of a time.
func DayOf(t time.Time) Day { return Day(t.UTC().Format(time.DateOnly)) }

// Names is the registry of the names that backends and platforms ever had. Records carry stable ids: the first name
// that one was known by. A registry is never changed; registering returns another one.
type Names struct {
	Version int `json:"v"`
	// Backends and Platforms are keyed by stable id.
	Backends  NameSection `json:"backends"`
	Platforms NameSection `json:"platforms"`

	unknown unknownFields
}

// NameSection are the backends or the platforms of a registry.
type NameSection map[string]Named

// Named is what is known of a backend or platform.
type Named struct {
	// Names are those it ever had, the present one last.
	Names []string `json:"names"`
	// URLs are those at which a backend answered with its catalog, and no other broker did since. They are without user
	// info, as they were first seen.
	URLs []string `json:"urls,omitempty"`
	// FirstSeen and LastSeen are the days on which a configuration first and last named it.
	FirstSeen Day `json:"first_seen"`
	LastSeen  Day `json:"last_seen"`
	// Secondary: its backend or platform has another id, which new records carry.
	Secondary bool `json:"secondary,omitempty"`

	unknown unknownFields
}

// maxNames bounds the names and the URLs that are remembered of one backend or platform.
const maxNames = 64

type (
	namesFields Names
	namedFields Named
)

// DecodeNames reads a registry. Its errors match ErrBadDocument.
func DecodeNames(data []byte) (*Names, error) {
	const what = "the registry of names"
	names := new(Names)
	var err error
	if names.unknown, err = decodeFields(what, data, namesVersion, (*namesFields)(names)); err != nil {
		return nil, err
	}
	for _, section := range []NameSection{names.Backends, names.Platforms} {
		for id, named := range section {
			err := named.check()
			if id == "" {
				err = errors.New("it has no id")
			}
			if err != nil {
				return nil, fmt.Errorf("%w: %s is damaged: the entry %q: %w", ErrBadDocument, what, id, err)
			}
		}
	}
	return names, nil
}

func (n Named) check() error {
	if len(n.Names) == 0 || slices.Contains(n.Names, "") {
		return fmt.Errorf("it has an empty name or none")
	}
	for _, day := range []Day{n.FirstSeen, n.LastSeen} {
		if _, err := time.Parse(time.DateOnly, string(day)); err != nil {
			return fmt.Errorf("the day %q is none", day)
		}
	}
	return nil
}

// Encode returns the registry as a document.
func (n *Names) Encode() ([]byte, error) { return encodeFields((*namesFields)(n), n.unknown) }

// UnmarshalJSON reads an entry. Fields that a newer gateway wrote are kept.
func (n *Named) UnmarshalJSON(data []byte) error {
	var known namedFields
	if err := json.Unmarshal(data, &known); err != nil {
		return err
	}
	if err := json.Unmarshal(data, &known.unknown); err != nil {
		return err
	}
	if err := known.unknown.forget(&known); err != nil {
		return err
	}
	*n = Named(known)
	return nil
}

// MarshalJSON writes an entry.
func (n Named) MarshalJSON() ([]byte, error) { return encodeFields((*namedFields)(&n), n.unknown) }

// present is the name that it has now.
func (n Named) present() string { return n.Names[len(n.Names)-1] }

// register returns the section with what is configured now.
func (s NameSection) register(configured []NamedNow, ids []StableIDs, today Day) (NameSection, bool) {
	next, changed := maps.Clone(s), false
	if next == nil {
		next = make(NameSection, len(configured))
	}
	for i, now := range configured {
		for position, id := range ids[i] {
			named, known := next[id]
			switch {
			case !known && position > 0 && id == now.Name:
				continue // no record was ever written with it
			case !known:
				named.FirstSeen, named.LastSeen, changed = today, today, true
				if slices.Contains(now.Formerly, id) {
					named.Names = []string{id}
				}
			}
			if len(named.Names) == 0 || named.present() != now.Name {
				named.Names, changed = latest(named.Names, now.Name), true
			}
			if named.LastSeen < today {
				named.LastSeen, changed = today, true
			}
			if secondary := position > 0; named.Secondary != secondary {
				named.Secondary, changed = secondary, true
			}
			next[id] = named
		}
	}
	return next, changed
}

// latest returns a list with the value at its end, and nowhere else.
func latest(list []string, value string) []string {
	list = append(slices.DeleteFunc(slices.Clone(list), func(other string) bool { return other == value }), value)
	return list[max(0, len(list)-maxNames):]
}

// unnamed returns the ids that nobody answers for.
func (s NameSection) unnamed(ids []StableIDs) []string {
	var left []string
	for id := range s {
		if !slices.ContainsFunc(ids, func(ids StableIDs) bool { return slices.Contains(ids, id) }) {
			left = append(left, id)
		}
	}
	slices.Sort(left)
	return left
}

// Naming is what the names of a configuration stand for.
type Naming struct {
	// Backends and Platforms are in the order of the configuration.
	Backends, Platforms []StableIDs
	// UnnamedBackends and UnnamedPlatforms are the ids of the registry that the configuration does not name.
	UnnamedBackends, UnnamedPlatforms []string
}

// Register resolves the names of a configuration, and returns the registry as it has to be written before a record with
// any of the ids is: n itself if it knows everything already.
func (n *Names) Register(backends, platforms []NamedNow, today Day) (*Names, Naming) {
	naming := Naming{Backends: n.Backends.Resolve(backends), Platforms: n.Platforms.Resolve(platforms)}
	naming.UnnamedBackends, naming.UnnamedPlatforms = n.Backends.unnamed(naming.Backends), n.Platforms.unnamed(naming.Platforms)
	next := *n
	next.Version = namesVersion
	var changedBackends, changedPlatforms bool
	next.Backends, changedBackends = n.Backends.register(backends, naming.Backends, today)
	next.Platforms, changedPlatforms = n.Platforms.register(platforms, naming.Platforms, today)
	if !changedBackends && !changedPlatforms {
		return n, naming
	}
	return &next, naming
}

// SawURL returns the registry with a URL at which a backend answered with its catalog: n itself if it knows it already.
func (n *Names) SawURL(id BackendID, url string) *Names {
	named, known := n.Backends[string(id)]
	if !known || slices.Contains(named.URLs, url) {
		return n
	}
	next := *n
	next.Backends = maps.Clone(n.Backends)
	named.URLs = latest(named.URLs, url)
	next.Backends[string(id)] = named
	return &next
}

// DoubtURL returns the registry without a URL at which another broker answered than the backend: n itself if it does
// not know the URL.
func (n *Names) DoubtURL(id BackendID, url string) *Names {
	if !n.KnowsURL(id, url) {
		return n
	}
	next := *n
	next.Backends = maps.Clone(n.Backends)
	named := next.Backends[string(id)]
	named.URLs = slices.DeleteFunc(slices.Clone(named.URLs), func(known string) bool { return known == url })
	next.Backends[string(id)] = named
	return &next
}

// KnowsURL tells whether a backend answered with its catalog at the URL, and no other broker did since.
func (n *Names) KnowsURL(id BackendID, url string) bool {
	return slices.Contains(n.Backends[string(id)].URLs, url)
}
