package backend

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/osb-gateway/caddy-osb-gateway/internal/osb"
)

// Catalog fetches the backend's catalog for the gateway itself (GET /v2/catalog). With etag, the one that came with an
// earlier copy, the backend may answer that the copy is still good: then notModified is true, body is nil and newETag
// the one to use from now on. A backend that has no ETags leaves newETag empty.
//
// It is fetched whatever the breaker and max_in_flight say, and an answer has the next call try a backend that is left
// alone: the catalog must not become old because calls are slow. Its failures are those of catalogs, not of calls.
//
// Every error is an *Error. Answers other than 200, or 304 to an etag, are errors of kind Failed with their Status.
func (b *Backend) Catalog(ctx context.Context, etag string) (body []byte, newETag string, notModified bool, err error) {
	set := []Field{{osb.HeaderAPIVersion, b.catalogVersion}, {"Accept", []string{osb.ContentTypeJSON}}}
	if etag != "" {
		set = append(set, Field{"If-None-Match", []string{etag}})
	}
	mark := ""
	if b.mark != nil {
		mark = b.mark()
		set = append(set, Field{osb.HeaderGateways, osb.FormatGateways([]string{mark})})
	}
	fetch := Request{Method: http.MethodGet, Path: "/v2/catalog", Set: set}
	resp, failure := b.exchange(ctx, fetch, b.maxCatalogBytes, nil)
	if failure != nil {
		return nil, "", false, failure
	}
	b.breaker.alive()
	newETag = resp.Header.Get("Etag")
	gateways := osb.Gateways(resp.Header[osb.HeaderGateways])
	if mark != "" && slices.Contains(gateways, mark) {
		return nil, "", false, b.catalogError(resp.Status, "it is this gateway's own: the backend's URL leads back to this "+
			"gateway, or to one that has it as a backend; correct the URL")
	}
	defer func() {
		if err == nil {
			b.gateways.Store(&gateways)
		}
	}()
	switch encoding := resp.Header.Get(osb.HeaderContentEncoding); {
	case resp.Status == http.StatusNotModified && etag != "":
		if newETag == "" {
			newETag = etag
		}
		return nil, newETag, true, nil
	case resp.Status != http.StatusOK:
		return nil, "", false, b.catalogError(resp.Status, catalogAdvice(resp.Status))
	case encoding != "" && encoding != "identity":
		return nil, "", false, b.catalogError(resp.Status, "the broker compresses what was asked for uncompressed")
	}
	return resp.Body, newETag, false, nil
}

func (b *Backend) catalogError(status int, advice string) *Error {
	err := fmt.Errorf("the catalog was answered with %d: %s", status, advice)
	return &Error{Backend: b.name, Kind: Failed, Status: status, Err: err}
}

// catalogAdvice says what an operator should look at when a catalog comes with an unexpected status.
func catalogAdvice(status int) string {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "check the backend's credentials"
	case status == http.StatusProxyAuthRequired:
		return "a proxy in front of the backend asks for credentials"
	case status == http.StatusNotFound, status == http.StatusGone:
		return "check the path of the backend's URL"
	case status == http.StatusPreconditionFailed:
		return "the broker does not serve the announced version; check catalog_version"
	case status == http.StatusTooManyRequests:
		return "the broker limits how often it is asked"
	case status == http.StatusNotModified:
		return "nothing was asked that could be unmodified"
	case status >= 300 && status < 400:
		return "redirects are not followed; check the backend's URL"
	case status >= 500:
		return "the broker is in trouble"
	default:
		return "200 was expected"
	}
}
