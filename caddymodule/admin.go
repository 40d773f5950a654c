package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/osb-gateway/caddy-osb-gateway/routing"
)

// adminPath is what all paths of the admin API begin with.
const adminPath = "/osb_gateway"

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminAPI serves what operators ask of the gateways, on Caddy's admin endpoint. It holds no state: Caddy makes one for
// each configuration, also for those that then fail, so it looks up what runs at the moment of each request.
type adminAPI struct{}

// CaddyModule returns the module's id and constructor.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.osb_gateway", New: func() caddy.Module { return new(adminAPI) }}
}

// Routes implements caddy.AdminRouter.
func (adminAPI) Routes() []caddy.AdminRoute {
	handler := caddy.AdminHandlerFunc(serveAdmin)
	return []caddy.AdminRoute{
		{Pattern: adminPath, Handler: handler},
		{Pattern: adminPath + "/", Handler: handler},
	}
}

// serveAdmin answers one request.
func serveAdmin(w http.ResponseWriter, r *http.Request) error {
	request, err := parseAdmin(r.URL.EscapedPath(), r.URL.RawQuery)
	if err != nil {
		return err
	}
	verb, ok := request.verbs[r.Method]
	if !ok {
		allowed := make([]string, 0, len(request.verbs))
		for method := range request.verbs {
			allowed = append(allowed, method)
		}
		slices.Sort(allowed)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return adminError(http.StatusMethodNotAllowed, "%s is not allowed here; use %s", r.Method, strings.Join(allowed, " or "))
	}
	answer, err := verb(r, request)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "\t")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(answer)
}

// adminVerb does what a request asks for and returns the answer, to be written as JSON.
type adminVerb func(*http.Request, *adminRequest) (any, error)

// adminRequest is what path and query of a request say.
type adminRequest struct {
	verbs map[string]adminVerb
	query url.Values
	// instance and backend are what the path, or for the instance the query, names.
	instance routing.InstanceID
	backend  string
}

// parseAdmin reads the path, as it came over the wire, and the query. Ids hold slashes and percent signs, so the path
// is taken apart before it is decoded.
func parseAdmin(escapedPath, rawQuery string) (*adminRequest, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, adminError(http.StatusBadRequest, "the query cannot be read: percent-encode its values")
	}
	request := &adminRequest{query: query}
	rest, ok := strings.CutPrefix(escapedPath, adminPath)
	segments := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	for i, segment := range segments {
		if segments[i], err = url.PathUnescape(segment); err != nil {
			return nil, adminError(http.StatusBadRequest, "the path cannot be read: percent-encode its parts")
		}
	}
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return nil, errNoSuchRoute
	case len(segments) == 1 && segments[0] == "":
		request.verbs = readVerbs(adminStatus)
	case segments[0] == "instances":
		request.verbs = map[string]adminVerb{
			http.MethodGet: adminShow, http.MethodHead: adminShow, http.MethodDelete: adminForget,
		}
		request.instance, err = instanceOf(segments[1:], query)
		return request, err
	case slices.Equal(segments, []string{"catalog"}):
		request.verbs = readVerbs(adminCatalog)
	case slices.Equal(segments, []string{"catalog", "problems"}):
		request.verbs = readVerbs(adminProblems)
	case slices.Equal(segments, []string{"backends"}):
		request.verbs = readVerbs(adminBackends)
	case slices.Equal(segments, []string{"store", "accept"}):
		request.verbs = map[string]adminVerb{http.MethodPost: adminAcceptStore}
	case slices.Equal(segments, []string{"catalog", "refresh"}):
		request.verbs = map[string]adminVerb{http.MethodPost: adminRefresh}
	case len(segments) == 3 && segments[0] == "backends" && segments[1] != "" && segments[2] == "accept":
		request.verbs = map[string]adminVerb{http.MethodPost: adminAcceptBackend}
		request.backend = segments[1]
	default:
		return nil, errNoSuchRoute
	}
	return request, nil
}

// readVerbs are those of what can only be read.
func readVerbs(verb adminVerb) map[string]adminVerb {
	return map[string]adminVerb{http.MethodGet: verb, http.MethodHead: verb}
}

var errNoSuchRoute = caddy.APIError{
	HTTPStatus: http.StatusNotFound, Err: errors.New("the OSB gateway's admin API has no such path; docs/admin.md lists them"),
}

// instanceOf finds the instance id, which is the rest of the path in one segment or `id` in the query.
func instanceOf(segments []string, query url.Values) (routing.InstanceID, error) {
	ids := query["id"]
	if len(segments) > 1 {
		return "", adminError(http.StatusBadRequest,
			"an instance id is one part of the path: percent-encode its slashes as %%2F, or send it as ?id=")
	}
	if len(segments) == 1 && segments[0] != "" {
		ids = append(slices.Clone(ids), segments[0])
	}
	switch {
	case len(ids) > 1:
		return "", adminError(http.StatusBadRequest, "name one instance, in the path or as ?id=")
	case len(ids) == 0 || ids[0] == "":
		return "", adminError(http.StatusBadRequest, "name the instance: %s/instances/{id}, or ?id={id}", adminPath)
	}
	return routing.InstanceID(ids[0]), nil
}

// gateway finds the gateway that a request is about and keeps it from being taken down until the function that it
// returns is called.
func (request *adminRequest) gateway() (*runtime, func(), error) {
	all := running.all()
	names := make([]string, len(all))
	for i, rt := range all {
		names[i] = rt.name
	}
	wanted := request.query["gateway"]
	var found *runtime
	switch {
	case len(all) == 0:
		return nil, nil, adminError(http.StatusServiceUnavailable, "no OSB gateway runs in this Caddy")
	case len(wanted) > 1:
		return nil, nil, adminError(http.StatusBadRequest, "name one gateway")
	case len(wanted) == 1:
		if at := slices.Index(names, wanted[0]); at >= 0 {
			found = all[at]
		}
	case len(all) == 1:
		found = all[0]
	default:
		return nil, nil, adminError(http.StatusBadRequest,
			"several gateways run, %s: say which is meant with --gateway, or in a query with gateway=", strings.Join(names, ", "))
	}
	if found == nil {
		return nil, nil, adminError(http.StatusBadRequest,
			"no gateway of the name %q runs; those that run: %s", wanted[0], strings.Join(names, ", "))
	}
	return found, found.use(), nil
}

// adminError is an error that says what an operator can do about it.
func adminError(status int, format string, arguments ...any) error {
	return caddy.APIError{HTTPStatus: status, Err: fmt.Errorf(format, arguments...)}
}

// logAdmin notes what an operator had done.
func logAdmin(r *http.Request, rt *runtime, what string, fields ...zap.Field) {
	caddy.Log().Named("admin.api.osb_gateway").Info(what, append([]zap.Field{
		zap.String("gateway", rt.name), zap.String("remote_addr", r.RemoteAddr),
	}, fields...)...)
}

// Interface guard.
var _ caddy.AdminRouter = (*adminAPI)(nil)
