package catalogmerge

import (
	"sync"

	"github.com/google/uuid"
)

// An id has two spellings: the backend's own, and the mapped one that namespace_ids shows, which is a UUID made of the
// gateway's name, the backend's stable id and the own id. A call may carry either, whatever the policy says today:
// platforms keep what they were shown when they created an instance.

// namespace makes the mapped spellings of one backend's ids.
type namespace uuid.UUID

func namespaceOf(gateway, backend string) namespace {
	root := uuid.NewSHA1(uuid.NameSpaceURL, []byte("osb-gateway:"+gateway))
	return namespace(uuid.NewSHA1(root, []byte("broker:"+backend)))
}

func (n namespace) offering(own string) uuid.UUID {
	return uuid.NewSHA1(uuid.UUID(n), []byte("service:"+own))
}

func (n namespace) plan(own string) uuid.UUID {
	return uuid.NewSHA1(uuid.UUID(n), []byte("plan:"+own))
}

// MappedOffering returns how namespace_ids spells an offering's id. gateway is the gateway's name and backend the
// backend's stable id.
func MappedOffering(gateway, backend, own string) string {
	return namespaceOf(gateway, backend).offering(own).String()
}

// MappedPlan returns how namespace_ids spells a plan's id.
func MappedPlan(gateway, backend, own string) string {
	return namespaceOf(gateway, backend).plan(own).String()
}

// parseMapped reads an id that may be a mapped one. Only the one way in which they are written counts: to platforms ids
// are strings.
func parseMapped(id string) (uuid.UUID, bool) {
	if len(id) != 36 || id[14] != '5' {
		return uuid.UUID{}, false
	}
	parsed, err := uuid.Parse(id)
	if err != nil {
		return uuid.UUID{}, false
	}
	for i := range len(id) {
		if id[i] >= 'A' && id[i] <= 'F' {
			return uuid.UUID{}, false
		}
	}
	return parsed, true
}

// mappedIDs finds the ids that a backend is known to have by their mapped spelling. Where ids never were mapped, hardly
// anybody asks: it is made when it is first asked.
type mappedIDs struct {
	ids              namespace
	once             sync.Once
	known            Known // until it is made
	offerings, plans map[uuid.UUID]string
}

// offering returns the backend's own id of an offering.
func (m *mappedIDs) offering(id uuid.UUID) (own string, ok bool) {
	m.prepare()
	own, ok = m.offerings[id]
	return own, ok
}

// plan returns the backend's own id of a plan.
func (m *mappedIDs) plan(id uuid.UUID) (own string, ok bool) {
	m.prepare()
	own, ok = m.plans[id]
	return own, ok
}

func (m *mappedIDs) prepare() { m.once.Do(m.make) }

func (m *mappedIDs) make() {
	m.offerings = make(map[uuid.UUID]string, len(m.known.Offerings))
	for own := range m.known.Offerings {
		m.offerings[m.ids.offering(own)] = own
	}
	m.plans = make(map[uuid.UUID]string, len(m.known.Plans))
	for own := range m.known.Plans {
		m.plans[m.ids.plan(own)] = own
	}
	m.known = Known{}
}

// sameIDs tells whether two copies know the same ids.
func sameIDs(a, b *Known) bool {
	return sameKeys(a.Offerings, b.Offerings) && sameKeys(a.Plans, b.Plans)
}

func sameKeys[V any](a, b map[string]V) bool {
	if len(a) != len(b) {
		return false
	}
	for key := range a {
		if _, ok := b[key]; !ok {
			return false
		}
	}
	return true
}

// everMapped tells whether an id of the backend was ever shown mapped.
func (k *Known) everMapped() bool {
	for _, offering := range k.Offerings {
		if !offering.MappedSince.IsZero() {
			return true
		}
	}
	return false
}
