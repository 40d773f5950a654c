package osb

import "strings"

// CRNServiceName returns the service name in an id that is an IBM Cloud resource name,
// `crn:v1:cname:ctype:service-name:...`. What follows the service name is not looked at, since clients leave out the
// empty segments at its end. The service name is the name of the offering in the catalog.
func CRNServiceName(id string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(id, "crn:v1:")
	if !ok {
		return "", false
	}
	_, rest, _ = strings.Cut(rest, ":")
	_, rest, ok = strings.Cut(rest, ":")
	name, _, _ = strings.Cut(rest, ":")
	return name, ok && name != ""
}
