package caddymodule

import (
	"net/http"
	"strings"

	"github.com/osb-gateway/caddy-osb-gateway/internal/backend"
	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// Where a backend's ids are published under other ones, it is asked with its own, and the platform is answered with
// those that it knows. All else is passed on byte for byte.

// ownIDs returns the backend's own ids where they are not those that the call names; the others are empty.
func (c *call) ownIDs(named osb.IDs) osb.IDs {
	return osb.IDs{
		ServiceID: c.ownService(named.ServiceID), PlanID: c.ownPlan(named.PlanID),
		PreviousServiceID: c.ownService(named.PreviousServiceID), PreviousPlanID: c.ownPlan(named.PreviousPlanID),
	}
}

func (c *call) ownService(named string) string {
	if own := string(c.entry.OwnService(routing.ServiceID(named))); own != named {
		return own
	}
	return ""
}

func (c *call) ownPlan(named string) string {
	if own := string(c.entry.OwnPlan(routing.PlanID(named))); own != named {
		return own
	}
	return ""
}

// askWithOwnIDs puts the backend's own ids into a request. A compressed body that has others is sent as it is
// uncompressed.
func (c *call) askWithOwnIDs(r *backend.Request) {
	if ids := c.ownIDs(osb.IDs{ServiceID: c.query.ServiceID, PlanID: c.query.PlanID}); ids != (osb.IDs{}) {
		r.Query = osb.RespellQuery(r.Query, ids)
	}
	ids := c.ownIDs(osb.IDs{
		ServiceID: c.fields.ServiceID, PlanID: c.fields.PlanID,
		PreviousServiceID: c.fields.PreviousServiceID, PreviousPlanID: c.fields.PreviousPlanID,
	})
	if ids == (osb.IDs{}) {
		return
	}
	plain, err := osb.Inflate(encodingOf(c.r.Header), r.Body, c.rt.maxRequestBytes)
	if err != nil {
		return // it was read before
	}
	r.Body = osb.RespellBody(plain, ids)
	r.Set = append(r.Set, backend.Field{Name: osb.HeaderContentEncoding})
	for _, name := range digestHeaders {
		r.Set = append(r.Set, backend.Field{Name: name})
	}
}

// digestHeaders are about the bytes of a body, and not true of others.
var digestHeaders = [...]string{"Content-Md5", "Content-Digest", "Repr-Digest", "Digest"}

// answerWithKnownIDs puts the ids that the platform knows into the answer to the fetching of an instance. No other
// answer has ids of offerings.
func (c *call) answerWithKnownIDs(response *backend.Response) {
	if c.path.Operation != osb.FetchInstance || response.Status != http.StatusOK || c.knowsOwnIDs() {
		return
	}
	encoding := encodingOf(response.Header)
	plain, err := osb.Inflate(encoding, response.Body, c.rt.maxResponseBytes)
	if err != nil {
		return
	}
	respelled := osb.RespellFetched(plain, c.knownIDs)
	if len(plain) == 0 || &respelled[0] == &plain[0] {
		return
	}
	response.Body = respelled
	response.Header.Del(osb.HeaderContentEncoding)
	for _, name := range digestHeaders {
		response.Header.Del(name)
	}
}

// knowsOwnIDs tells that the platform knows the instance by the backend's own ids: it names one of them now or, in a
// call that names none, did so when it created the instance.
func (c *call) knowsOwnIDs() bool {
	d := &c.entry.Decision
	return d.Spelling == (routing.Spelling{}) && (d.Service != "" || d.Plan != "")
}

// knownIDs returns the ids that the platform knows an offering and a plan of the backend by: those that it names, else
// those that it named when it created the instance or changed its plan, else what they are published under now. If it
// named one of the two in a way that is not the backend's, so it knows the other.
func (c *call) knownIDs(service, plan string) (knownService, knownPlan string) {
	d := &c.entry.Decision
	backend := c.outlook.stable(d.Backend)
	if d.Spelling == (routing.Spelling{}) {
		return c.outlook.ExposedOffering(backend, service), c.outlook.ExposedPlan(backend, plan)
	}
	named := routing.Spelling{Service: c.entry.Call.Service, Plan: c.entry.Call.Plan}
	for _, spelling := range [...]routing.Spelling{named, d.Spelling} {
		if knownService == "" && spelling.Service != "" && string(c.entry.OwnService(spelling.Service)) == service {
			knownService = string(spelling.Service)
		}
		if knownPlan == "" && spelling.Plan != "" && string(c.entry.OwnPlan(spelling.Plan)) == plan {
			knownPlan = string(spelling.Plan)
		}
	}
	if knownService == "" {
		knownService = c.outlook.MappedOffering(backend, service)
	}
	if knownPlan == "" {
		knownPlan = c.outlook.MappedPlan(backend, plan)
	}
	return knownService, knownPlan
}

// encodingOf is how a body is encoded: all lines of its header, joined.
func encodingOf(header http.Header) string {
	return strings.Join(header.Values(osb.HeaderContentEncoding), ", ")
}
