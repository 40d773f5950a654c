// Package samplebroker is a complete service broker that keeps its instances in memory and creates nothing: the Open
// Service Broker API 2.17 and IBM Cloud's extension of it. Tests and demonstrations use it as the broker behind the
// gateway, and to judge the gateway. It therefore reads the specification on its own and shares no code with the rest
// of the module.
//
// What a plan does is said in its own metadata, see [PlanSettings]. Asynchronous operations advance by being polled and
// not by time, so that every run is the same. Parameters have to be JSON objects; the catalog's schemas for them are
// published and not enforced.
//
// Outside the protocol there are GET /debug/state, and GET and PUT /debug/faults, see [State] and [Fault].
package samplebroker

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options say how a Broker behaves. Only Catalog has to be given.
type Options struct {
	// Catalog is what GET /v2/catalog answers, byte for byte.
	Catalog []byte
	// User and Password are what callers have to authenticate with. With both empty nobody has to.
	User, Password string
	// VersionOptional lets calls without X-Broker-API-Version pass. IBM's extension never needs it.
	VersionOptional bool
	// StateStatus is the status of a successful PUT of the enabled state: 204, the default, or 200 with the state.
	StateStatus int
	// BasePath is what all paths begin with, such as "/brokers/one"; by default nothing.
	BasePath string
	// Instances are held from the beginning.
	Instances []ExistingInstance
	// Faults are the first rules of /debug/faults.
	Faults []Fault
	// Now is the clock, time.Now by default. It matters to the times that are shown, and to bindings that expire.
	Now func() time.Time
	// OnChange is told of each instance and binding that begins or ceases to be held, in the order in which that happens,
	// and before the call that does it is answered. It must be quick, and must not call the broker.
	OnChange func(Change)
}

// Broker is the service broker. Its methods may be called at any time and by several goroutines.
type Broker struct {
	credentials     *credentialHash
	versionOptional bool
	stateStatus     int
	basePath        string
	now             func() time.Time
	onChange        func(Change)
	recorder        recorder
	faults          faultList
	closed          chan struct{}
	closeOnce       sync.Once

	// mu guards everything below.
	mu        sync.Mutex
	catalog   *catalog
	instances map[string]*instance
	graves    graveyard
	// operations and users count those that were made.
	operations, users int
}

// New returns a broker. It refuses a catalog that breaks the specification, existing instances that the catalog has no
// plan for, and options that contradict each other.
func New(options Options) (*Broker, error) {
	b := &Broker{
		versionOptional: options.VersionOptional,
		stateStatus:     options.StateStatus,
		basePath:        options.BasePath,
		now:             options.Now,
		onChange:        options.OnChange,
		closed:          make(chan struct{}),
		instances:       make(map[string]*instance),
	}
	if b.now == nil {
		b.now = time.Now
	}
	if (options.User == "") != (options.Password == "") {
		return nil, errors.New("a user needs a password, and a password a user")
	}
	if options.User != "" {
		b.credentials = hashCredentials(options.User, options.Password)
	}
	switch b.stateStatus {
	case 0:
		b.stateStatus = http.StatusNoContent
	case http.StatusOK, http.StatusNoContent:
	default:
		return nil, fmt.Errorf("the state cannot be answered with %d: it is 204 or 200", b.stateStatus)
	}
	if b.basePath != "" && (!strings.HasPrefix(b.basePath, "/") || strings.HasSuffix(b.basePath, "/")) {
		return nil, fmt.Errorf("base path %q: it has to begin with a slash and not to end with one", b.basePath)
	}
	if err := b.SetCatalog(options.Catalog); err != nil {
		return nil, err
	}
	if err := b.SetFaults(options.Faults); err != nil {
		return nil, err
	}
	for _, existing := range options.Instances {
		if err := b.adopt(existing); err != nil {
			return nil, fmt.Errorf("existing instance %q: %w", existing.InstanceID, err)
		}
	}
	return b, nil
}

// SetCatalog replaces the catalog. A catalog that breaks the specification is refused with all that is wrong with it,
// and the old one stays. Instances of offerings and plans that are gone stay too, and go on as before.
func (b *Broker) SetCatalog(content []byte) error {
	parsed, err := parseCatalog(content)
	if err != nil {
		return fmt.Errorf("reading the catalog: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.catalog = parsed
	return nil
}

// Close ends all waits of faults; their calls are cut off. The broker goes on answering.
func (b *Broker) Close() {
	b.closeOnce.Do(func() { close(b.closed) })
}

// ServeHTTP answers one call.
func (b *Broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{method: r.Method, header: r.Header}
	c.path, c.rawQuery = splitTarget(r.RequestURI)
	var bodyErr error
	c.body, bodyErr = readBody(w, r)

	work := func() answer {
		if bodyErr != nil {
			return c.finish(answer{}, bodyErr)
		}
		return b.answer(c)
	}
	if path, _ := strings.CutPrefix(c.path, b.basePath); strings.HasPrefix(path, debugPrefix) {
		work().write(w)
		return
	}
	b.recorder.add(RecordedRequest{
		Method: r.Method, RequestURI: r.RequestURI, Host: r.Host, Header: r.Header.Clone(), Body: c.body,
	})
	if fault, found := b.faults.take(c.method, c.path); found {
		b.serveFault(w, r, fault, work)
		return
	}
	work().write(w)
}

// answer does what a call asks for.
func (b *Broker) answer(c *call) answer {
	return c.finish(b.dispatch(c))
}

// dispatch looks at everything that all calls have in common, and hands the call on.
func (b *Broker) dispatch(c *call) (answer, error) {
	if !b.credentials.accept(c.header) {
		return answer{}, errUnauthorized
	}
	path, ok := strings.CutPrefix(c.path, b.basePath)
	if !ok {
		return answer{}, errNoSuchPath
	}
	var err error
	if c.route, err = parsePath(path); err != nil {
		return answer{}, err
	}
	if c.route.versioned() {
		if err := checkVersion(c.header, b.versionOptional); err != nil {
			return answer{}, err
		}
	}
	methods := handlers[c.route.resource]
	handle, ok := methods[c.method]
	if !ok {
		return answer{}, methodNotAllowed(methods)
	}
	if c.query, err = parseQuery(c.rawQuery); err != nil {
		return answer{}, err
	}
	return handle(b, c)
}

// handler answers one method of one resource.
type handler func(*Broker, *call) (answer, error)

var handlers = map[resource]map[string]handler{
	resourceCatalog: {http.MethodGet: (*Broker).getCatalog},
	resourceInstance: {
		http.MethodPut:    (*Broker).provision,
		http.MethodGet:    (*Broker).fetchInstance,
		http.MethodPatch:  (*Broker).update,
		http.MethodDelete: (*Broker).deprovision,
	},
	resourceInstanceOperation: {http.MethodGet: (*Broker).pollInstance},
	resourceBinding: {
		http.MethodPut:    (*Broker).bind,
		http.MethodGet:    (*Broker).fetchBinding,
		http.MethodDelete: (*Broker).unbind,
	},
	resourceBindingOperation: {http.MethodGet: (*Broker).pollBinding},
	resourceState: {
		http.MethodGet: (*Broker).getState,
		http.MethodPut: (*Broker).setState,
	},
	resourceDebugState: {http.MethodGet: (*Broker).debugState},
	resourceDebugFaults: {
		http.MethodGet: (*Broker).debugGetFaults,
		http.MethodPut: (*Broker).debugSetFaults,
	},
}

func (b *Broker) getCatalog(c *call) (answer, error) {
	b.mu.Lock()
	current := b.catalog
	b.mu.Unlock()
	a := answer{status: http.StatusOK, header: http.Header{"Etag": {current.etag}}, body: current.content}
	if matchesETag(c.header.Values("If-None-Match"), current.etag) {
		a.status, a.body = http.StatusNotModified, nil
	}
	return a, nil
}

// etagOf returns a strong validator.
func etagOf(content []byte) string { return fmt.Sprintf(`"%x"`, sha256.Sum256(content)) }

// matchesETag compares weakly, as RFC 9110 section 13.1.2 asks for.
func matchesETag(conditions []string, etag string) bool {
	for _, condition := range conditions {
		for candidate := range strings.SplitSeq(condition, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}
