package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/crashpoint"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// serve takes a request through the gateway. Requests that are no calls of the API go to the next handler.
func (rt *runtime) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	escaped := osb.EscapedPath(r.URL)
	if rt.serveHealth(w, r, escaped) {
		return nil
	}
	escaped, beneath := strings.CutPrefix(escaped, rt.basePath)
	if !beneath {
		return next.ServeHTTP(w, r)
	}
	path, err := osb.ParsePath(r.Method, escaped)
	if errors.Is(err, osb.ErrNotProtocol) {
		return next.ServeHTTP(w, r)
	}
	c := &call{rt: rt, r: r, w: w, path: path, start: time.Now()}
	c.open()
	crashpoint.Reach(crashpoint.Received)
	a := c.run(err)
	crashpoint.Reach(crashpoint.BeforeAnswer)
	c.write(a)
	c.close(a)
	return nil
}

// call is one call on its way.
type call struct {
	rt    *runtime
	r     *http.Request
	w     http.ResponseWriter
	start time.Time
	// whole is when the last of the call was read: from then on it is not the platform that is waited for.
	whole time.Time
	path  osb.Path
	span  trace.Span
	// traced tells that somebody looks at the span.
	traced bool

	platform        *platformSettings
	identity        osb.Identity
	requestIdentity string
	query           osb.Query
	fields          osb.Body
	body            []byte
	// outlook is how the platform saw the catalog when the call was begun.
	outlook *outlook
	entry   *routing.Entry
	broker  *broker
	// gateways is what the header says that lists the gateways which the call has passed.
	gateways []string
}

// run is a call's way: each step may answer, and what no step answered the backend does.
func (c *call) run(pathError error) answer {
	if err := c.authenticate(); err != nil {
		return c.refuse(err)
	}
	if pathError != nil {
		return c.refuse(pathError)
	}
	if err := c.checkEarlyData(); err != nil {
		return c.refuse(err)
	}
	if err := c.checkLoop(); err != nil {
		return c.refuse(err)
	}
	if err := c.checkPath(); err != nil {
		return c.refuse(err)
	}
	if err := c.checkVersion(); err != nil {
		return c.refuse(err)
	}
	if err := c.readIdentity(); err != nil {
		return c.refuse(err)
	}
	if c.path.Operation == osb.Catalog {
		return c.catalog()
	}
	if err := c.readIDs(); err != nil {
		return c.refuse(err)
	}
	c.whole = time.Now()
	if err := c.checkContext(); err != nil {
		return c.refuse(err)
	}
	return c.exchange()
}

// exchange resolves the owner, sends the call there and makes the answer. A call that only reads may go where a cached
// record leads. If that turns out to have changed, it goes once more, where the store says.
func (c *call) exchange() answer {
	for _, fresh := range []bool{false, true} {
		if err := c.begin(fresh); err != nil {
			return c.refuse(err)
		}
		if a, err := c.settle(c.forward()); !errors.Is(err, errOutdated) {
			return a
		}
	}
	return c.refuse(errOutdated)
}

// authenticate finds the platform that calls.
func (c *call) authenticate() error {
	name, err := c.rt.authenticator.Authenticate(c.r.Context(), c.r.Header, c.r.TLS)
	if err != nil {
		c.rt.noteRefusal(c, err)
		return err
	}
	c.platform = c.rt.callers[name]
	return nil
}

// checkPath refuses ids that a broker which unescapes paths too early or too often would take for those of others.
// Where there is one platform, there are no others.
func (c *call) checkPath() error {
	if len(c.rt.callers) < 2 {
		return nil
	}
	return c.path.CheckUnambiguous()
}

// versioned tells whether the call belongs to an API that has versions. IBM Cloud's extension has none.
func (c *call) versioned() bool {
	return c.path.Operation != osb.GetState && c.path.Operation != osb.SetState
}

// checkVersion compares the announced version of the API with what the platform must announce.
func (c *call) checkVersion() error {
	if !c.versioned() {
		return nil
	}
	announced := c.r.Header.Get(osb.HeaderAPIVersion)
	if announced == "" {
		if c.platform.versionRequired {
			return &osb.RequestError{
				Kind:        osb.KindUnsupportedVersion,
				Description: "The header X-Broker-API-Version is missing; this broker requires it.",
			}
		}
		return nil
	}
	version, err := osb.ParseVersion(announced)
	if err != nil {
		return err
	}
	if version.Less(c.platform.minVersion) {
		return &osb.RequestError{
			Kind: osb.KindUnsupportedVersion,
			Description: "This broker requires version " + c.platform.minVersion.String() +
				" or later of the Open Service Broker API.",
		}
	}
	return nil
}

// begin resolves the owner and, for what changes something, enters the call in the store. Fresh forbids the use of
// cached records.
func (c *call) begin(fresh bool) error {
	crashpoint.Reach(crashpoint.BeforeBegin)
	published := c.rt.catalogs.current()
	named := published.named
	if named == nil {
		return errNames
	}
	if c.path.Operation.Mutating() {
		if err := c.rt.mayWrite(named); err != nil {
			return err
		}
	}
	c.outlook = published.outlooks[c.platform.name]
	call := c.routingCall(c.outlook)
	call.Fresh = fresh
	entry, err := c.rt.ledger.Begin(c.context(), call, named)
	crashpoint.Reach(crashpoint.AfterBegin)
	if err != nil {
		return err
	}
	c.entry = entry
	if entry.Decision.Refusal != routing.RefusalNone {
		return &refusedError{entry.Decision}
	}
	c.broker = named.brokers[entry.Decision.Backend]
	c.warnOfContradiction()
	return nil
}

// context is what the call runs under. The platform hanging up ends what only reads. It does not end what changes
// something: the call may have been entered in the store, and what the backend does must be recorded.
func (c *call) context() context.Context {
	if c.path.Operation.Mutating() {
		return context.WithoutCancel(c.r.Context())
	}
	return c.r.Context()
}

// forward sends the call to its backend, under a deadline that began before the call was entered in the store.
func (c *call) forward() (*backend.Response, error) {
	ctx, finish := c.observeForward(c.context())
	var room [3]backend.Field
	set := append(room[:0],
		backend.Field{Name: osb.HeaderRequestIdentity, Values: []string{c.requestIdentity}},
		backend.Field{Name: osb.HeaderGateways, Values: c.gateways})
	if c.platform.defaultVersion != "" && c.lacksVersion() {
		set = append(set, backend.Field{Name: osb.HeaderAPIVersion, Values: []string{c.platform.defaultVersion}})
	}
	request := backend.Request{
		Method: c.r.Method, Path: c.path.Escaped, Query: c.r.URL.RawQuery, Header: c.r.Header, Set: set, Body: c.body,
		Deadline: c.whole.Add(c.broker.timeout),
	}
	c.askWithOwnIDs(&request)
	crashpoint.Reach(crashpoint.BeforeSend)
	response, err := c.broker.Do(ctx, request)
	crashpoint.Reach(crashpoint.Answered)
	finish(response, err)
	return response, err
}

// lacksVersion tells whether the call should announce a version and does not.
func (c *call) lacksVersion() bool {
	return c.versioned() && c.r.Header.Get(osb.HeaderAPIVersion) == ""
}

// settle records the outcome and makes the answer. The error is errOutdated if there is none, because the call went
// where a record led that has changed since.
func (c *call) settle(response *backend.Response, err error) (answer, error) {
	a := routing.Answer{Delivered: true, Trace: c.traceparent()}
	var said osb.Answer
	if err != nil {
		a.Delivered = !notReached(err)
	} else {
		said = readAnswer(response, c.rt.maxResponseBytes)
		c.noteConflict(response, said)
		a.Status, a.Object, a.Error, a.Operation, a.State = response.Status, said.Object, said.Error, said.Operation, said.State
	}
	crashpoint.Reach(crashpoint.BeforeClose)
	verdict, commitError := c.rt.ledger.Close(c.r.Context(), c.entry, routing.Classify(c.entry.Call, a))
	crashpoint.Reach(crashpoint.AfterClose)
	switch {
	case verdict == routing.VerdictStale && commitError != nil:
		return c.refuse(commitError), nil
	case verdict == routing.VerdictStale:
		return answer{}, errOutdated
	case commitError != nil:
		c.noteCommitError(commitError)
	}
	switch {
	case err != nil:
		return c.refuse(err), nil
	case verdict == routing.VerdictRepeat:
		return c.refuse(errOvertaken), nil
	}
	return c.relay(response, said), nil
}

// routingCall says what the protocol has to know of the call.
func (c *call) routingCall(outlook *outlook) *routing.Call {
	service, plan := c.ids()
	named := outlook.named
	token, life := newTokens()
	call := &routing.Call{
		Token: token, Life: life, Kind: kinds[c.path.Operation],
		Key: routing.Key{
			Instance: routing.InstanceID(strings.Clone(c.path.Instance)),
			Binding:  routing.BindingID(strings.Clone(c.path.Binding)),
		},
		Platform:      named.platformIDs[c.platform.name],
		Service:       routing.ServiceID(strings.Clone(service)),
		Plan:          routing.PlanID(strings.Clone(plan)),
		View:          outlook,
		Operation:     c.query.Operation,
		RejectUnknown: c.platform.rejectUnknown,
	}
	crn, _ := osb.CRNServiceName(c.path.Instance)
	call.Hint = routing.Resolve(routing.Hints{
		Service: call.Service, Plan: call.Plan,
		PreviousService: routing.ServiceID(c.fields.PreviousServiceID),
		PreviousPlan:    routing.PlanID(c.fields.PreviousPlanID), CRNServiceName: crn,
	}, outlook)
	if c.path.Operation == osb.Provision {
		call.Offer = routing.Offered(call.Service, call.Plan, outlook, outlook)
	}
	return call
}

// kinds are what the operations do, in the protocol's words.
var kinds = map[osb.Operation]routing.Kind{
	osb.Provision: routing.KindCreate, osb.Bind: routing.KindCreate,
	osb.Update: routing.KindUpdate, osb.SetState: routing.KindUpdate,
	osb.Deprovision: routing.KindDelete, osb.Unbind: routing.KindDelete,
	osb.PollInstance: routing.KindPoll, osb.PollBinding: routing.KindPoll,
	osb.FetchInstance: routing.KindFetch, osb.FetchBinding: routing.KindFetch, osb.GetState: routing.KindFetch,
}

// setPlaceholders offers what is known of the call to Caddy's access log and to other directives.
func (c *call) setPlaceholders() {
	replacer, ok := c.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	replacer.Map(func(key string) (any, bool) {
		if key == "http.auth.user.id" && c.platform != nil {
			return c.platform.name, true // as Caddy's own authentication has it
		}
		name, ours := strings.CutPrefix(key, "http.osb_gateway.")
		if !ours {
			return nil, false
		}
		switch name {
		case "platform":
			return c.platformName(), true
		case "operation":
			return c.path.Operation.String(), true
		case "backend":
			return c.backendName(), true
		case "instance_id":
			return c.path.Instance, true
		case "identity.platform":
			return c.identity.Platform, true
		case "identity.user":
			return c.identity.User, true
		}
		return nil, false
	})
}

func (c *call) platformName() string {
	if c.platform == nil {
		return ""
	}
	return c.platform.name
}

func (c *call) backendName() string {
	if c.broker == nil {
		return ""
	}
	return c.broker.name
}
