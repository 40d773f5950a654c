package caddymodule

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/internal/platform"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// The error codes of the gateway's own answers.
const (
	codeUnauthorized         = "Unauthorized"
	codeUndecided            = "AuthenticationUnavailable"
	codeNotFound             = "NotFound"
	codeMethodNotAllowed     = "MethodNotAllowed"
	codeUnsupportedVersion   = "UnsupportedApiVersion"
	codeBadRequest           = "BadRequest"
	codeIdentityRequired     = "OriginatingIdentityRequired"
	codeNotAllowed           = "NotAllowed"
	codeConflict             = "Conflict"
	codeTooEarly             = "TooEarly"
	codeConcurrency          = "ConcurrencyError"
	codeTooLarge             = "RequestTooLarge"
	codeUnsupportedEncoding  = "UnsupportedEncoding"
	codeOwnershipUnavailable = "OwnershipUnavailable"
	codeBackendUnavailable   = "BackendUnavailable"
	codeBackendFailed        = "BackendFailed"
	codeBackendTimeout       = "BackendTimeout"
)

const (
	// retryAfterSeconds is what the gateway asks of platforms that met trouble which may be over soon.
	retryAfterSeconds = "5"
	emptyObject       = "{}"
	// concurrencyDescription is the specification's text, by which some clients know the error.
	concurrencyDescription = "The Service Broker does not support concurrent requests that mutate the same resource."
	notFoundDescription    = "There is no such service instance or binding."
	unavailableDescription = "The broker cannot tell at the moment who owns the service instance. Try again later."
	notVisibleDescription  = "This service is not offered to this platform. What exists of it can be used and deleted, but " +
		"there can be no new service instance or binding, and no change to another plan."
	drainingDescription = "This service takes no new service instances. Those that exist can be used as before."
	pollDescription     = "The state of the operation is not known at the moment."
)

// errOvertaken: a delete was confirmed while a create of the same instance was open or in doubt.
var errOvertaken = errors.New("a create overtook the delete")

// errOutdated: a call went where a cached record led, and that has changed since.
var errOutdated = errors.New("the record by which the call was sent has changed")

// errNoCatalog: the catalogs of the backends are not known yet.
var errNoCatalog = errors.New("the catalog is not complete yet")

// refusedError is a decision not to send a call.
type refusedError struct{ routing.Decision }

func (e *refusedError) Error() string { return "refused: " + string(e.Refusal) }

// answer is what a platform gets.
type answer struct {
	status int
	header http.Header
	body   []byte
	// code is the error code in the body, for the audit log.
	code string
	// cause is why the gateway answered by itself; for logs, never sent.
	cause error
}

func newAnswer(status int, code, description string) answer {
	return answer{
		status: status, code: code, header: http.Header{osb.HeaderContentType: {osb.ContentTypeJSON}},
		body: osb.EncodeError(code, description),
	}
}

func (a answer) with(name, value string) answer {
	a.header.Set(name, value)
	return a
}

func (a answer) retryAfter() answer { return a.with(osb.HeaderRetryAfter, retryAfterSeconds) }

// refuse is the table of what the gateway itself answers; docs/routing-and-ownership.md and docs/authentication.md show
// it to operators.
func (c *call) refuse(err error) answer {
	a := c.answerTo(err)
	a.cause = err
	return a
}

func (c *call) answerTo(err error) answer {
	var request *osb.RequestError
	var refused *refusedError
	var broker *backend.Error
	switch {
	case errors.Is(err, platform.ErrUnauthorized):
		a := newAnswer(http.StatusUnauthorized, codeUnauthorized, "The credentials are missing or wrong.")
		a.header[osb.HeaderWWWAuthenticate] = slices.Clone(c.rt.challenges)
		return a
	case errors.Is(err, platform.ErrUndecided):
		return newAnswer(http.StatusServiceUnavailable, codeUndecided,
			"The token cannot be checked at the moment. Try again later.").retryAfter()
	case errors.As(err, &request):
		return answerToRequest(request)
	case errors.As(err, &refused) && refused.Refusal == routing.RefusalNotConfigured:
		return c.answerNotConfigured(refused.Decision)
	case errors.As(err, &refused):
		return answerToRefusal(c.path.Operation, refused.Refusal)
	case errors.As(err, &broker):
		return answerToBroker(broker)
	case errors.Is(err, errOvertaken):
		return newAnswer(http.StatusUnprocessableEntity, codeConcurrency, concurrencyDescription)
	case errors.Is(err, errTooEarly):
		return newAnswer(http.StatusTooEarly, codeTooEarly, "Send the request again when the TLS handshake is over.")
	case errors.Is(err, errLoop):
		return c.answerToLoop()
	case errors.Is(err, errTooManyGateways):
		return newAnswer(http.StatusBadRequest, codeBadRequest, "The request has passed too many gateways.")
	case errors.Is(err, errNoCatalog):
		return newAnswer(http.StatusServiceUnavailable, codeBackendUnavailable,
			"The catalogs of the service brokers are being fetched. Try again in a moment.").retryAfter()
	}
	// The store did not answer, is not the known one, or holds a record that this gateway cannot read.
	return newAnswer(http.StatusServiceUnavailable, codeOwnershipUnavailable, unavailableDescription).retryAfter()
}

func answerToRequest(e *osb.RequestError) answer {
	switch e.Kind {
	case osb.KindNotFound:
		return newAnswer(http.StatusNotFound, codeNotFound, e.Description)
	case osb.KindMethodNotAllowed:
		return newAnswer(http.StatusMethodNotAllowed, codeMethodNotAllowed, e.Description).with(osb.HeaderAllow, e.Allow)
	case osb.KindUnsupportedVersion:
		return newAnswer(http.StatusPreconditionFailed, codeUnsupportedVersion, e.Description)
	case osb.KindTooLarge:
		return newAnswer(http.StatusRequestEntityTooLarge, codeTooLarge, e.Description)
	case osb.KindUnsupportedEncoding:
		return newAnswer(http.StatusUnsupportedMediaType, codeUnsupportedEncoding, e.Description)
	case osb.KindIdentityRequired:
		return newAnswer(http.StatusBadRequest, codeIdentityRequired, e.Description)
	default:
		return newAnswer(http.StatusBadRequest, codeBadRequest, e.Description)
	}
}

// answerToRefusal answers calls that the records or the catalog refuse. A poll never gets a 404 or 410 of the gateway's
// making, because some platforms take it for the end of the instance. A foreign instance and an unknown one look the
// same.
func answerToRefusal(operation osb.Operation, refusal routing.Refusal) answer {
	switch refusal { //nolint:exhaustive // those that are left have one answer, below
	case routing.RefusalTaken:
		return newAnswer(http.StatusConflict, codeConflict, "The id is taken by another service instance or binding.")
	case routing.RefusalOtherOffering:
		return newAnswer(http.StatusBadRequest, codeBadRequest,
			"The service instance is of another service than the service_id says.")
	case routing.RefusalNeverSent:
		a := newAnswer(http.StatusGone, "", "")
		a.body = []byte(emptyObject)
		return a
	case routing.RefusalMissingService:
		return newAnswer(http.StatusBadRequest, codeBadRequest, "service_id is missing.")
	case routing.RefusalMissingPlan:
		return newAnswer(http.StatusBadRequest, codeBadRequest, "plan_id is missing.")
	case routing.RefusalUnknownService:
		return newAnswer(http.StatusBadRequest, codeBadRequest, "service_id is not in the catalog.")
	case routing.RefusalUnknownPlan:
		return newAnswer(http.StatusBadRequest, codeBadRequest, "plan_id is not in the catalog of the service.")
	case routing.RefusalNotVisible:
		return newAnswer(http.StatusForbidden, codeNotAllowed, notVisibleDescription)
	case routing.RefusalDraining:
		return newAnswer(http.StatusForbidden, codeNotAllowed, drainingDescription)
	case routing.RefusalForeign, routing.RefusalUnknown:
		if operation.Poll() {
			return unknownPoll()
		}
		return newAnswer(http.StatusNotFound, codeNotFound, notFoundDescription)
	case routing.RefusalNoHint:
		switch {
		case operation.Poll():
			return unknownPoll()
		case operation == osb.Deprovision || operation == osb.Unbind:
			return newAnswer(http.StatusBadRequest, codeBadRequest, "service_id is missing, or not one of this broker's.")
		}
		return newAnswer(http.StatusNotFound, codeNotFound, notFoundDescription)
	}
	// Ambiguous, incomplete, not configured, suspect.
	return newAnswer(http.StatusServiceUnavailable, codeOwnershipUnavailable, unavailableDescription).retryAfter()
}

// answerNotConfigured answers a call whose record is of a backend or platform that the configuration does not name. The
// platform that owns the instance is told why; to others nothing is given away.
func (c *call) answerNotConfigured(decision routing.Decision) answer {
	description := unavailableDescription
	named := c.rt.named()
	owner, known := named.Platform(decision.OwnerPlatform)
	if known && c.platform != nil && owner == named.platformIDs[c.platform.name] {
		description = c.rt.describeOwner("backend", string(decision.Owner.Backend))
	}
	return newAnswer(http.StatusServiceUnavailable, codeOwnershipUnavailable, description).retryAfter()
}

func unknownPoll() answer {
	return newAnswer(http.StatusServiceUnavailable, codeOwnershipUnavailable, pollDescription).retryAfter()
}

func answerToBroker(e *backend.Error) answer {
	switch e.Kind {
	case backend.NotReached:
		a := newAnswer(http.StatusServiceUnavailable, codeBackendUnavailable, describeNotReached(e)).retryAfter()
		if e.RetryAfter > 0 {
			seconds := (e.RetryAfter + time.Second - 1) / time.Second
			a = a.with(osb.HeaderRetryAfter, strconv.FormatInt(int64(seconds), 10))
		}
		return a
	case backend.Timeout:
		return newAnswer(http.StatusGatewayTimeout, codeBackendTimeout, "The service broker did not answer in time.")
	default:
		return newAnswer(http.StatusBadGateway, codeBackendFailed, "The service broker's answer was lost.")
	}
}

func describeNotReached(e *backend.Error) string {
	switch {
	case errors.Is(e, backend.ErrOpen):
		return "The service broker behind the service does not answer. Try again later."
	case errors.Is(e, backend.ErrBusy):
		return "The service broker behind the service has too many calls to answer. Try again later."
	}
	return "The service broker behind the service cannot be reached."
}

func notReached(err error) bool {
	var broker *backend.Error
	return errors.As(err, &broker) && broker.Kind == backend.NotReached
}

// relay makes the answer of a backend's. Most go up as they came.
func (c *call) relay(response *backend.Response, said osb.Answer) answer {
	status := response.Status
	delete(response.Header, osb.HeaderGateways) // is between gateways
	switch {
	case status == http.StatusUnauthorized || status == http.StatusProxyAuthRequired || status/100 == 3:
		a := newAnswer(http.StatusBadGateway, codeBackendFailed, "The service broker refused the broker in front of it.")
		a.cause = &brokerAnswerError{status: status, text: "check the backend's credentials and URL"}
		return a
	case c.saysNoState(response):
		if a, ok := c.synthesizeState(response); ok {
			return a
		}
	case c.mayBeEmpty(response):
		response.Header.Set(osb.HeaderContentType, osb.ContentTypeJSON)
		response.Header.Del(osb.HeaderContentEncoding) // that of nothing
		return answer{status: status, header: response.Header, body: []byte(emptyObject)}
	case status >= http.StatusBadRequest && !said.Object:
		a := newAnswer(status, codeBackendFailed, "The service broker answered with an error that is not in JSON.")
		if retry := response.Header.Get(osb.HeaderRetryAfter); retry != "" {
			a = a.with(osb.HeaderRetryAfter, retry)
		}
		a.cause = &brokerAnswerError{status: status, text: c.brokerText(response)}
		return a
	}
	c.answerWithKnownIDs(response)
	return answer{status: status, header: response.Header, body: response.Body, code: c.brokerCode(said.Error)}
}

// mayBeEmpty tells whether the answer is one that platforms want a JSON object in, and has nothing.
func (c *call) mayBeEmpty(response *backend.Response) bool {
	if len(response.Body) > 0 {
		return false
	}
	changes := c.r.Method == http.MethodDelete || c.r.Method == http.MethodPatch
	return response.Status == http.StatusGone || response.Status == http.StatusOK && changes
}

// brokerAnswerError is an answer of a backend that the platform does not get to see.
type brokerAnswerError struct {
	status int
	text   string
}

func (e *brokerAnswerError) Error() string {
	return "the backend answered " + http.StatusText(e.status) + ": " + e.text
}

// readAnswer reads what the records need of a backend's answer, under its Content-Encoding.
func readAnswer(response *backend.Response, limit int64) osb.Answer {
	encoding := encodingOf(response.Header)
	if encoding == "" {
		return osb.ReadAnswer(response.Body)
	}
	plain, err := osb.Inflate(encoding, response.Body, limit)
	if err != nil {
		return osb.Answer{}
	}
	return osb.ReadAnswer(plain)
}

// write sends the answer. The request identity is echoed on every one. The length is announced, so that large catalogs
// are not chunked; a backend's answer without a type gets none, where net/http would guess one.
func (c *call) write(a answer) {
	c.drain()
	header := c.w.Header()
	maps.Copy(header, a.header)
	header.Set(osb.HeaderRequestIdentity, c.requestIdentity)
	if _, typed := a.header[osb.HeaderContentType]; !typed {
		header[osb.HeaderContentType] = nil
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	c.w.WriteHeader(a.status)
	if c.r.Method != http.MethodHead && len(a.body) > 0 {
		_, _ = c.w.Write(a.body) // the platform may be gone; the outcome is recorded
	}
}

// catalog answers with what the platform sees of the prepared catalog.
func (c *call) catalog() answer {
	published := c.rt.catalogs.current()
	if !published.servable {
		return c.refuse(errNoCatalog)
	}
	view := published.views[c.platform.name]
	header := http.Header{"Etag": {view.ETag}}
	c.tellGateways(header)
	if view.Secret {
		header.Set("Cache-Control", "no-store")
	}
	if matches(c.r.Header.Values("If-None-Match"), view.ETag) {
		return answer{status: http.StatusNotModified, header: header}
	}
	header.Set(osb.HeaderContentType, osb.ContentTypeJSON)
	return answer{status: http.StatusOK, header: header, body: view.Body}
}

// matches tells whether If-None-Match names the entity tag, RFC 9110 section 13.1.2.
func matches(headers []string, etag string) bool {
	for _, header := range headers {
		for candidate := range strings.SplitSeq(header, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}
