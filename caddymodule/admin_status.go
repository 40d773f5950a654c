package caddymodule

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

const (
	// probeTimeout bounds how long the store may take to answer at all.
	probeTimeout = 5 * time.Second
	// censusTimeout bounds a census unless the request says otherwise, and maxCensusTimeout what it may say.
	censusTimeout    = 10 * time.Second
	maxCensusTimeout = 10 * time.Minute
	// probeDocument is the document that is read to see whether the store answers. There is none of that name.
	probeDocument = "probe"
)

// statusView is the answer to GET /osb_gateway/.
type statusView struct {
	Gateways []*gatewayView `json:"gateways"`
}

// gatewayView is the state of one gateway.
type gatewayView struct {
	Name string `json:"name"`
	// Ready is what the health check of load balancers says.
	Ready bool `json:"ready"`
	// NamesRegistered: the store knows the names of the configuration. Until it does, calls that change something get
	// 503.
	NamesRegistered bool                `json:"names_registered"`
	Store           storeView           `json:"store"`
	Cache           routing.CacheStatus `json:"cache"`
	Queue           queueView           `json:"queue"`
	Platforms       []platformView      `json:"platforms"`
	Backends        []backendView       `json:"backends"`
	// Records is the census; absent where none was asked for.
	Records *censusView `json:"records,omitempty"`
}

// storeView is the state of the store.
type storeView struct {
	Kind        string `json:"kind"`
	Description string `json:"description"`
	// Answers: the store answered a moment ago. If not, Error says why, and DownSince since when.
	Answers   bool         `json:"answers"`
	Error     string       `json:"error,omitempty"`
	DownSince *time.Time   `json:"down_since,omitempty"`
	Identity  identityView `json:"identity"`
}

// identityView tells whether the store is the one that the gateway knows.
type identityView struct {
	Known bool `json:"known"`
	// ID is the identity that the store must have, Found the one that it has.
	ID     string `json:"id"`
	Found  string `json:"found"`
	Pinned bool   `json:"pinned"`
	// Unmarked of the store's Parts do not carry the identity.
	Unmarked int    `json:"unmarked"`
	Parts    int    `json:"parts"`
	Trouble  string `json:"trouble,omitempty"`
}

// queueView is the queue of outcomes that could not be written at once.
type queueView struct {
	Waiting          int     `json:"waiting"`
	Capacity         int     `json:"capacity"`
	OldestAgeSeconds float64 `json:"oldest_age_seconds"`
	Retries          uint64  `json:"retries"`
	Dropped          uint64  `json:"dropped"`
	LastError        string  `json:"last_error,omitempty"`
}

// platformView is a platform of the configuration.
type platformView struct {
	Name string `json:"name"`
	// ID is what records call it: the first name that it was known by.
	ID       routing.PlatformID `json:"id"`
	Formerly []string           `json:"formerly,omitempty"`
	Issuers  []issuerView       `json:"issuers,omitempty"`
}

// backendView is a backend of the configuration.
type backendView struct {
	Name string `json:"name"`
	// ID is what records call it: the first name that it was known by.
	ID       routing.BackendID `json:"id"`
	Formerly []string          `json:"formerly,omitempty"`
	Catalog  catalogView       `json:"catalog"`
	// Suspect: the backend may be another broker than the one that its records are of.
	Suspect bool `json:"suspect"`
	// InFlight calls are open, and MaxInFlight may be.
	InFlight    int64           `json:"in_flight"`
	MaxInFlight int64           `json:"max_in_flight"`
	Breaker     breakerView     `json:"breaker"`
	Credentials credentialsView `json:"credentials"`
}

// catalogView is the state of a backend's catalog.
type catalogView struct {
	// Known: there is a good copy, of this age.
	Known      bool       `json:"known"`
	FetchedAt  *time.Time `json:"fetched_at,omitempty"`
	AgeSeconds float64    `json:"age_seconds,omitempty"`
	// Error is why the last fetch failed.
	Error string `json:"error,omitempty"`
}

// adminStatus tells the state of all gateways. The gateways are asked at the same time, so that a store which does not
// answer delays nobody else's.
func adminStatus(r *http.Request, request *adminRequest) (any, error) {
	options, err := censusOptions(request)
	if err != nil {
		return nil, err
	}
	gateways := running.all()
	if _, ok := request.query["gateway"]; ok {
		rt, release, err := request.gateway()
		if err != nil {
			return nil, err
		}
		defer release()
		gateways = []*runtime{rt}
	}
	status := statusView{Gateways: make([]*gatewayView, len(gateways))}
	var asking sync.WaitGroup
	for i, rt := range gateways {
		release := rt.use()
		asking.Go(func() {
			defer release()
			status.Gateways[i] = rt.status(r.Context(), options)
		})
	}
	asking.Wait()
	return status, nil
}

// censusRequest says whether a census is wanted, and how long it may take.
type censusRequest struct {
	wanted  bool
	timeout time.Duration
}

func censusOptions(request *adminRequest) (censusRequest, error) {
	options := censusRequest{wanted: true, timeout: censusTimeout}
	if text := request.query.Get("census"); text != "" {
		var err error
		if options.wanted, err = strconv.ParseBool(text); err != nil {
			return options, adminError(http.StatusBadRequest, "census is true or false")
		}
	}
	if text := request.query.Get("timeout"); text != "" {
		timeout, err := time.ParseDuration(text)
		if err != nil || timeout <= 0 || timeout > maxCensusTimeout {
			return options, adminError(http.StatusBadRequest,
				"timeout is how long the census may take, such as 30s, up to %s", maxCensusTimeout)
		}
		options.timeout = timeout
	}
	return options, nil
}

// status tells the state of the gateway.
func (rt *runtime) status(ctx context.Context, census censusRequest) *gatewayView {
	view := &gatewayView{
		Name: rt.name, Ready: rt.ready(), NamesRegistered: rt.registered.Load(), Store: rt.viewStore(ctx),
		Cache:     rt.ledger.CacheStatus(),
		Platforms: make([]platformView, len(rt.platforms)), Backends: rt.viewBackends(),
	}
	for i, p := range rt.platforms {
		view.Platforms[i] = platformView{Name: p.name, Formerly: p.formerly, Issuers: rt.viewIssuers(p)}
		if named := rt.named(); named != nil {
			view.Platforms[i].ID = named.platformIDs[p.name]
		}
	}
	if census.wanted {
		view.Records = rt.viewCensus(ctx, view.Store, census.timeout)
	}
	view.Queue = viewQueue(rt.ledger.QueueStatus())
	return view
}

// viewStore asks the store for something, to see whether it answers.
func (rt *runtime) viewStore(ctx context.Context) storeView {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err := rt.store.store.ReadDocument(ctx, probeDocument)
	view := storeView{
		Kind: rt.settings.store.Kind, Description: rt.settings.store.describe(), Answers: err == nil,
		Identity: identityView(rt.store.identityStatus()),
	}
	if err != nil {
		view.Error = err.Error()
		if since := rt.store.outage.since(); !since.IsZero() {
			since = since.UTC()
			view.DownSince = &since
		}
	}
	return view
}

func viewQueue(status routing.QueueStatus) queueView {
	view := queueView{
		Waiting: status.Waiting, Capacity: status.Capacity, OldestAgeSeconds: status.OldestAge.Seconds(),
		Retries: status.Retries, Dropped: status.Dropped,
	}
	if status.LastError != nil {
		view.LastError = status.LastError.Error()
	}
	return view
}

func (rt *runtime) viewBackends() []backendView {
	views := make([]backendView, len(rt.backends))
	for i, b := range rt.backends {
		views[i] = rt.viewBackend(b)
	}
	return views
}

func (rt *runtime) viewBackend(b *backendSettings) backendView {
	view := backendView{
		Name: b.name, Formerly: b.formerly, Suspect: rt.brokers[b.name].suspect.Load(), Catalog: rt.catalogs.view(b.name),
	}
	if named := rt.named(); named != nil {
		view.ID = named.backendIDs[b.name]
	}
	view.viewCalls(b, rt.brokers[b.name].Status())
	return view
}

// view tells the state of a backend's catalog.
func (c *catalogs) view(backend string) catalogView {
	c.mu.Lock()
	defer c.mu.Unlock()
	var view catalogView
	for _, entry := range c.entries {
		if entry.broker.name != backend {
			continue
		}
		view.Error = entry.failing
		if entry.copy != nil {
			at := entry.copy.FetchedAt.UTC()
			view.Known, view.FetchedAt, view.AgeSeconds = true, &at, max(0, time.Since(at).Seconds())
		}
	}
	return view
}
