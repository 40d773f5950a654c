package osb

import (
	"net/http"
	"net/url"
	"strings"
)

// Path is what a request's method and path say. Its strings may be parts of the request's memory: what keeps an id for
// long clones it.
type Path struct {
	// Operation is the call.
	Operation Operation
	// Instance is the id of the instance, percent-decoded once; empty for Catalog.
	Instance string
	// Binding is the id of the binding, percent-decoded once; empty unless Operation.OnBinding.
	Binding string
	// Escaped is the path exactly as it came, to be sent on byte for byte. Paths are never put together from the decoded
	// ids: these may hold slashes, and no escaping brings back the spelling that the platform chose.
	Escaped string
}

// EscapedPath returns the path of u as it was written. URL.EscapedPath does the same for all paths that RFC 3986
// allows, but quietly escapes bytes that it does not allow, which ParsePath is to refuse because they cannot be sent
// on as they came.
func EscapedPath(u *url.URL) string {
	if u.RawPath != "" && unescapesTo(u.RawPath, u.Path) {
		return u.RawPath
	}
	return u.EscapedPath()
}

// ParsePath reads the method and the escaped path of a request. The path is that beneath the gateway's base path and
// begins with a slash.
//
// The path is split at raw slashes, and only then are the ids decoded, each once, so that `%2F` stays part of an id.
// The fixed words of a path have one spelling: `/v2/%63atalog` names nothing. A path with a wrong number of segments,
// an empty one, or a dot segment in place of a word names nothing either. One slash may follow the id of an instance
// or a binding, where clients are known to leave one.
//
// An id is refused when it cannot be a key, a log field and a part of another server's path without harm: bytes that
// RFC 3986 wants escaped, broken escapes, text that is not UTF-8, control characters, more than 1024 bytes decoded,
// and ids that are `.` or `..` or hold them between slashes, in any spelling, because servers and proxies that decode
// before they look for dot segments would read the path of another resource.
//
// It returns ErrNotProtocol for a path beneath neither /v2 nor /bluemix_v1, else a *RequestError: KindNotFound before
// KindMethodNotAllowed before KindBadRequest.
func ParsePath(method, escapedPath string) (Path, error) {
	resource, instance, binding, err := locate(escapedPath)
	if err != nil {
		return Path{}, err
	}
	path := Path{Operation: resource.operation(method), Escaped: escapedPath}
	if path.Operation == Unknown {
		return Path{}, &RequestError{
			Kind:        KindMethodNotAllowed,
			Description: "this path has the methods " + resource.allow,
			Allow:       resource.allow,
		}
	}
	if resource == &catalogResource {
		return path, nil
	}
	var problem string
	if path.Instance, problem = decodeID(instance); problem != "" {
		return Path{}, badRequest("the instance id" + problem)
	}
	if !path.Operation.OnBinding() {
		return path, nil
	}
	if path.Binding, problem = decodeID(binding); problem != "" {
		return Path{}, badRequest("the binding id" + problem)
	}
	return path, nil
}

// resource is a kind of path, with the operation that each method asks for; Unknown where it has no such method.
type resource struct {
	allow                   string
	get, put, patch, delete Operation
}

var (
	catalogResource       = resource{allow: "GET", get: Catalog}
	instancePollResource  = resource{allow: "GET", get: PollInstance}
	bindingPollResource   = resource{allow: "GET", get: PollBinding}
	instanceStateResource = resource{allow: "GET, PUT", get: GetState, put: SetState}
	bindingResource       = resource{allow: "GET, PUT, DELETE", get: FetchBinding, put: Bind, delete: Unbind}
	instanceResource      = resource{
		allow: "GET, PUT, PATCH, DELETE",
		get:   FetchInstance, put: Provision, patch: Update, delete: Deprovision,
	}
)

func (r *resource) operation(method string) Operation {
	switch method {
	case http.MethodGet:
		return r.get
	case http.MethodPut:
		return r.put
	case http.MethodPatch:
		return r.patch
	case http.MethodDelete:
		return r.delete
	default:
		return Unknown
	}
}

func noSuchPath() error {
	return &RequestError{Kind: KindNotFound, Description: "the service broker API has no such path"}
}

// locate finds the resource that a path names, and the ids in it, not yet decoded.
func locate(escapedPath string) (r *resource, instance, binding string, err error) {
	rest, rooted := strings.CutPrefix(escapedPath, "/")
	root, rest, _ := strings.Cut(rest, "/")
	if !rooted || (root != "v2" && root != "bluemix_v1") {
		return nil, "", "", ErrNotProtocol
	}
	if root == "v2" && rest == "catalog" {
		return &catalogResource, "", "", nil
	}

	collection, rest, _ := strings.Cut(rest, "/")
	instance, rest, _ = strings.Cut(rest, "/")
	if collection != "service_instances" || instance == "" {
		return nil, "", "", noSuchPath()
	}
	switch {
	case root == "bluemix_v1" && rest == "":
		return &instanceStateResource, instance, "", nil
	case root == "bluemix_v1":
		return nil, "", "", noSuchPath()
	case rest == "":
		return &instanceResource, instance, "", nil
	case rest == "last_operation":
		return &instancePollResource, instance, "", nil
	}

	collection, rest, _ = strings.Cut(rest, "/")
	binding, rest, _ = strings.Cut(rest, "/")
	switch {
	case collection != "service_bindings" || binding == "":
		return nil, "", "", noSuchPath()
	case rest == "":
		return &bindingResource, instance, binding, nil
	case rest == "last_operation":
		return &bindingPollResource, instance, binding, nil
	default:
		return nil, "", "", noSuchPath()
	}
}
