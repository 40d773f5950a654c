package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	// namesRetry is how soon the registry of names is asked for again after it could not be read or written; the wait
	// doubles up to namesRetryMax.
	namesRetry    = 200 * time.Millisecond
	namesRetryMax = 5 * time.Second
	// namesCheck is how often the registry is looked at otherwise. It is written once a day at most, to say when a name
	// was last seen.
	namesCheck = 15 * time.Minute
)

// errNames is why a call is refused while the names of the configuration are not registered.
var errNames = fmt.Errorf("%w: the names of the configuration are not in the store's registry yet", routing.ErrUnavailable)

// nameRegistry is the registry of names as this process last saw it. It belongs to the pooled store, so that a reload
// knows at once what the store knows.
type nameRegistry struct {
	mu    sync.Mutex
	names *routing.Names // nil until it was read
}

func (r *nameRegistry) current() *routing.Names {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names
}

// change writes a changed registry to the store, again and again while others change it too.
// The function given returns its argument if nothing is to be changed. Without a document in the store, what this
// process knows is written to it: the store was wiped. canWrite tells whether the store may be written to.
func (r *nameRegistry) change(
	ctx context.Context, store routing.Store, canWrite func() bool, change func(*routing.Names) *routing.Names,
) error {
	for ctx.Err() == nil {
		document, err := store.ReadDocument(ctx, routing.NamesDocument)
		if err != nil {
			return err
		}
		names := r.current()
		if document.Version != 0 {
			if names, err = routing.DecodeNames(document.Data); err != nil {
				return err
			}
		} else if names == nil {
			names = new(routing.Names)
		}
		next := change(names)
		if next == names && document.Version != 0 || !canWrite() {
			r.keep(names)
			if next != names {
				return errNames
			}
			return nil
		}
		data, err := next.Encode()
		if err != nil {
			return err
		}
		_, swapped, err := store.SwapDocument(ctx, routing.NamesDocument, document.Version, data)
		if err != nil {
			return err
		}
		if swapped {
			r.keep(next)
			return nil
		}
	}
	return fmt.Errorf("%w: %w", routing.ErrUnavailable, ctx.Err())
}

func (r *nameRegistry) keep(names *routing.Names) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = names
}

// naming is what the names of a configuration stand for. It never changes.
type naming struct {
	routing.Naming
	// provisional: it is not registered in the right store, and gives way to what is.
	provisional bool
	// brokers are found by every id that they answer for; backendIDs are the ids that new records carry, by name.
	brokers    map[routing.BackendID]*broker
	backendIDs map[string]routing.BackendID
	// platforms maps every id of a platform to the one that new records carry, and platformIDs its name.
	platforms   map[routing.PlatformID]routing.PlatformID
	platformIDs map[string]routing.PlatformID
}

// namedNow are the backends and platforms of the configuration.
func (s *settings) namedNow() (backends, platforms []routing.NamedNow) {
	for _, b := range s.backends {
		backends = append(backends, routing.NamedNow{Name: b.name, Formerly: b.formerly})
	}
	for _, p := range s.platforms {
		platforms = append(platforms, routing.NamedNow{Name: p.name, Formerly: p.formerly})
	}
	return backends, platforms
}

// broker returns the backend that a record is of; nil if it is not configured.
func (rt *runtime) broker(id routing.BackendID) *broker {
	if named := rt.named(); named != nil {
		return named.brokers[id]
	}
	return nil
}

// caller returns the platform that a record is of; nil if it is not configured.
func (rt *runtime) caller(id routing.PlatformID) *platformSettings {
	named := rt.named()
	known, _ := named.Platform(id)
	for _, p := range rt.platforms {
		if named != nil && named.platformIDs[p.name] == known {
			return p
		}
	}
	return nil
}

// Window tells how long a create may take effect at a backend. It implements routing.Config.
func (n *naming) Window(id routing.BackendID) (routing.Window, bool) {
	if n == nil || n.brokers[id] == nil {
		return routing.Window{}, false
	}
	b := n.brokers[id]
	return routing.Window{Timeout: b.timeout, Settle: b.settle}, true
}

// Platform finds the platform that a record is of, under whatever name. It implements routing.Config.
func (n *naming) Platform(id routing.PlatformID) (routing.PlatformID, bool) {
	if n == nil {
		return "", false
	}
	known, ok := n.platforms[id]
	return known, ok
}

// Suspect tells whether the backend may be another broker than before. It implements routing.Config.
func (n *naming) Suspect(id routing.BackendID) bool {
	return n != nil && n.brokers[id] != nil && n.brokers[id].suspect.Load()
}

func (rt *runtime) newNaming(found routing.Naming) *naming {
	n := &naming{
		Naming:  found,
		brokers: make(map[routing.BackendID]*broker), backendIDs: make(map[string]routing.BackendID),
		platforms: make(map[routing.PlatformID]routing.PlatformID), platformIDs: make(map[string]routing.PlatformID),
	}
	for i, b := range rt.backends {
		for _, id := range found.Backends[i] {
			n.brokers[routing.BackendID(id)] = rt.brokers[b.name]
		}
		n.backendIDs[b.name] = routing.BackendID(found.Backends[i].Primary())
	}
	for i, p := range rt.platforms {
		primary := routing.PlatformID(found.Platforms[i].Primary())
		for _, id := range found.Platforms[i] {
			n.platforms[routing.PlatformID(id)] = primary
		}
		n.platformIDs[p.name] = primary
	}
	return n
}

// named tells what the names stand for; nil until the registry was read.
func (rt *runtime) named() *naming { return rt.naming.Load() }

// nameAll resolves the names of the configuration and registers them. It resolves them once, as soon as the registry of
// the right store is at hand: what this configuration calls a backend stays the same backend while it runs.
func (rt *runtime) nameAll(ctx context.Context) error {
	rt.namingLock.Lock()
	defer rt.namingLock.Unlock()
	backends, platforms := rt.namedNow()
	var resolved routing.Naming
	register := func(names *routing.Names) *routing.Names {
		next, found := names.Register(backends, platforms, routing.DayOf(time.Now()))
		resolved = found
		return next
	}
	registry := &rt.store.names
	err := registry.change(ctx, rt.store.store, rt.store.isKnown, register)
	if err != nil && !errors.Is(err, errNames) {
		names := registry.current()
		if names == nil {
			return err // nothing is known of the names: no record can be told
		}
		register(names)
		// The day on which they were seen last, which is all that is left out, can wait.
		if known, _ := names.Register(backends, platforms, ""); known == names {
			err = nil // they were registered before
		}
	}
	before := rt.named()
	if before == nil || before.provisional && err == nil {
		named := rt.newNaming(resolved)
		named.provisional = err != nil
		rt.catalogs.name(named)
		rt.naming.Store(named)
		rt.catalogs.heard.everything() // the store can be asked for the copies from now on
		rt.reportRenamed(named)
		if before == nil {
			close(rt.resolved)
		}
	}
	rt.registered.Store(err == nil)
	return err
}

// reportRenamed says which names stand for others.
func (rt *runtime) reportRenamed(named *naming) {
	for _, b := range rt.backends {
		if id := named.backendIDs[b.name]; string(id) != b.name {
			rt.logger.Info("a backend is known by the name that it had first", zap.String("gateway", rt.name),
				zap.String("backend", b.name), zap.String("records", string(id)))
		}
	}
}

// keepNames keeps the names registered until ctx ends.
func (rt *runtime) keepNames(ctx context.Context, err error) {
	retry, logged := namesRetry, ""
	for {
		wait := namesCheck
		if err != nil {
			wait, retry = retry, min(2*retry, namesRetryMax)
			if text := err.Error(); text != logged && errors.Is(err, routing.ErrBadDocument) {
				logged = text
				rt.logger.Error("the names of backends and platforms cannot be registered: calls that change something get 503; "+
					"the document "+routing.NamesDocument+" of the store has to be restored, or removed to start with the names "+
					"of the configuration", zap.String("gateway", rt.name), zap.Error(err))
			}
		} else {
			retry, logged = namesRetry, ""
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-rt.renew:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
		err = rt.nameAll(ctx)
	}
}

// mayWrite refuses calls that may make a record under a name that is not registered. In a store that is not known to be
// the right one, nothing is registered, and no record is made. named is what the call goes by.
func (rt *runtime) mayWrite(named *naming) error {
	if rt.registered.Load() && !named.provisional || !rt.store.isKnown() {
		return nil
	}
	return errNames
}
