package samplebroker

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// resource is what a path names.
type resource uint8

const (
	resourceCatalog resource = iota + 1
	resourceInstance
	resourceInstanceOperation
	resourceBinding
	resourceBindingOperation
	resourceState
	resourceDebugState
	resourceDebugFaults
)

const (
	debugPrefix      = "/debug/"
	statePrefix      = "/bluemix_v1/service_instances/"
	instancesPrefix  = "/v2/service_instances/"
	bindingsSegment  = "service_bindings"
	operationSegment = "last_operation"
)

// route is a path that was understood. The ids are decoded.
type route struct {
	resource          resource
	instance, binding string
}

// versioned tells whether calls have to say which version of the API they speak.
func (r route) versioned() bool {
	switch r.resource {
	case resourceState, resourceDebugState, resourceDebugFaults:
		return false
	default:
		return true
	}
}

// splitTarget takes the target of a request line apart into the path and the query, both as they were sent. It is a
// work on the text, since the parsed URL cannot give back every way of writing a path.
func splitTarget(target string) (path, rawQuery string) {
	if !strings.HasPrefix(target, "/") {
		// The absolute form of RFC 9112 section 3.2.2.
		if _, rest, found := strings.Cut(target, "://"); found {
			target = "/"
			if slash := strings.IndexAny(rest, "/?"); slash >= 0 {
				target = "/" + strings.TrimPrefix(rest[slash:], "/")
			}
		}
	}
	path, rawQuery, _ = strings.Cut(target, "?")
	return path, rawQuery
}

// parsePath reads an escaped path. Only its ids are ever decoded, each for itself, so an id may hold slashes. One slash
// may follow a binding id, since some platforms send it.
func parsePath(path string) (route, error) {
	switch path {
	case "/v2/catalog":
		return route{resource: resourceCatalog}, nil
	case debugPrefix + "state":
		return route{resource: resourceDebugState}, nil
	case debugPrefix + "faults":
		return route{resource: resourceDebugFaults}, nil
	}
	if id, found := strings.CutPrefix(path, statePrefix); found {
		return newRoute(resourceState, id)
	}
	rest, found := strings.CutPrefix(path, instancesPrefix)
	if !found {
		return route{}, errNoSuchPath
	}
	segments := strings.Split(rest, "/")
	if len(segments) == 4 && segments[1] == bindingsSegment && segments[3] == "" {
		segments = segments[:3]
	}
	switch {
	case len(segments) == 1:
		return newRoute(resourceInstance, segments[0])
	case len(segments) == 2 && segments[1] == operationSegment:
		return newRoute(resourceInstanceOperation, segments[0])
	case len(segments) == 3 && segments[1] == bindingsSegment:
		return newRoute(resourceBinding, segments[0], segments[2])
	case len(segments) == 4 && segments[1] == bindingsSegment && segments[3] == operationSegment:
		return newRoute(resourceBindingOperation, segments[0], segments[2])
	default:
		return route{}, errNoSuchPath
	}
}

// newRoute decodes the ids, of which there are one or two.
func newRoute(r resource, escaped ...string) (route, error) {
	decoded := make([]string, 2)
	for i, id := range escaped {
		if strings.Contains(id, "/") {
			return route{}, errNoSuchPath
		}
		if id == "" {
			return route{}, badRequest("An id in the path is empty.")
		}
		text, err := url.PathUnescape(id)
		if err != nil || !utf8.ValidString(text) {
			return route{}, badRequest("An id in the path is not percent-encoded UTF-8.")
		}
		decoded[i] = text
	}
	return route{resource: r, instance: decoded[0], binding: decoded[1]}, nil
}
